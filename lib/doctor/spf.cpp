#include "doctor/spf.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"

namespace mansio::doctor {
namespace {

constexpr std::array<std::string_view, 8> mechanism_words{"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"};

std::unexpected<Error> no_term(std::string_view term, std::string_view why) {
  return fail(Fault::invalid, fmt::format("\"{}\": {}", escape(term, 80), why));
}

// "/24", "//64", "/24//64" (§5.6). False: something else.
bool read_prefixes(std::string_view text, SpfTerm& term, bool only_six) {
  auto number = [](std::string_view digits, int most, int& out) {
    auto value = parse_number(digits);
    if (!value || *value > static_cast<unsigned>(most) || (digits.size() > 1 && digits[0] == '0')) return false;
    out = static_cast<int>(*value);
    return true;
  };
  auto six = text.find("//");
  if (six != std::string_view::npos) {
    if (!number(text.substr(six + 2), 128, term.prefix6)) return false;
    text = text.substr(0, six);
  }
  if (text.empty()) return true;
  return number(text.substr(1), only_six ? 128 : 32, only_six ? term.prefix6 : term.prefix4);
}

bool is_address(std::string_view text, int family) {
  std::array<unsigned char, 16> octets{};
  return text.find('\0') == std::string_view::npos && ::inet_pton(family, std::string(text).c_str(), octets.data()) == 1;
}

Result<SpfTerm> finish_term(std::string_view whole, SpfTerm term, std::string_view rest) {
  auto slash = rest.find('/');
  // A "/" may stand inside a macro's braces.
  if (auto brace = rest.rfind('}'); brace != std::string_view::npos && slash < brace) slash = rest.find('/', brace);
  std::string_view value = rest.substr(0, slash), prefixes = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  bool has_value = value.starts_with(':');
  if (has_value) value.remove_prefix(1);
  bool network = term.mechanism == SpfMechanism::ip4 || term.mechanism == SpfMechanism::ip6;
  bool named = term.mechanism == SpfMechanism::include || term.mechanism == SpfMechanism::exists || network;
  bool masked = network || term.mechanism == SpfMechanism::a || term.mechanism == SpfMechanism::mx;
  if ((!has_value && !value.empty()) || (named && value.empty()) || (has_value && value.empty())) return no_term(whole, "a domain or address is missing");
  if (term.mechanism == SpfMechanism::all && !rest.empty()) return no_term(whole, "nothing may follow \"all\"");
  if (!prefixes.empty() && (!masked || !read_prefixes(prefixes, term, term.mechanism == SpfMechanism::ip6))) return no_term(whole, "no prefix length");
  if (network) {
    if (!is_address(value, term.mechanism == SpfMechanism::ip4 ? AF_INET : AF_INET6)) return no_term(whole, "no address");
    term.network = value;
  } else {
    term.domain = value;
  }
  return term;
}

Result<SpfTerm> parse_term(std::string_view text) {
  SpfTerm term;
  std::string_view rest = text;
  switch (rest.empty() ? '\0' : rest[0]) {
    case '-': term.qualifier = SpfResult::fail; break;
    case '~': term.qualifier = SpfResult::softfail; break;
    case '?': term.qualifier = SpfResult::neutral; break;
    default: break;
  }
  if (!rest.empty() && std::string_view("+-~?").find(rest[0]) != std::string_view::npos) rest.remove_prefix(1);
  auto end = rest.find_first_of(":/");
  auto word = std::ranges::find(mechanism_words, to_lower(rest.substr(0, end)));
  if (word == mechanism_words.end()) return no_term(text, "no mechanism");
  term.mechanism = static_cast<SpfMechanism>(word - mechanism_words.begin());
  return finish_term(text, std::move(term), end == std::string_view::npos ? std::string_view() : rest.substr(end));
}

// §6: name=value. A modifier that isn't known is passed over.
bool is_modifier(std::string_view text) {
  auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || !is_alpha(text[0])) return false;
  return std::ranges::all_of(text.substr(0, equals), [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

std::string_view word_of(SpfResult result) {
  static constexpr std::string_view words[] = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"};
  return words[static_cast<std::size_t>(result)];
}

bool is_spf_record(std::string_view text) { return istarts_with(text, "v=spf1") && (text.size() == 6 || text[6] == ' '); }

Result<SpfRecord> parse_spf(std::string_view text) {
  if (!is_spf_record(text)) return fail(Fault::invalid, "no SPF record");
  SpfRecord out;
  for (std::string_view word : split(text.substr(6), ' ')) {
    if (word.empty()) continue;
    if (is_modifier(word)) {
      if (!istarts_with(word, "redirect=")) continue;
      if (!out.redirect.empty() || word.size() == 9) return no_term(word, "given twice, or empty");
      out.redirect = word.substr(9);
      continue;
    }
    auto term = parse_term(word);
    if (!term) return std::unexpected(term.error());
    out.terms.push_back(std::move(*term));
  }
  return out;
}

}  // namespace mansio::doctor
