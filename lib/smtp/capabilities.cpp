#include "smtp/capabilities.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace mansio::smtp {
namespace {

constexpr std::size_t mechanisms_limit = 32, mechanism_length = 20;     // RFC 4422 §3.1

using Words = std::vector<std::string_view>;

Words words_of(std::string_view line) {
  Words words;
  for (std::string_view word : split(line, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

// RFC 1870 §4: up to 20 digits; none, or 0, is no fixed limit.
void read_size(Capabilities& out, const Words& words) {
  out.size = true;
  out.size_limit = words.size() > 1 ? parse_number(words[1]).value_or(0) : 0;
}

// RFC 9422 §3: a limit is one to six digits, the first of them not 0.
std::uint32_t limit_value(std::string_view digits) {
  if (digits.empty() || digits.size() > 6 || digits.front() == '0') return 0;
  return static_cast<std::uint32_t>(parse_number(digits).value_or(0));
}

void read_limits(Capabilities& out, const Words& words) {
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto equals = words[i].find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view name = words[i].substr(0, equals);
    std::uint32_t value = limit_value(words[i].substr(equals + 1));
    if (value == 0) continue;
    if (iequals(name, "RCPTMAX")) out.rcpt_max = value;
    else if (iequals(name, "MAILMAX")) out.mail_max = value;
    else if (iequals(name, "RCPTDOMAINMAX")) out.rcpt_domain_max = value;
  }
}

void read_auth(Capabilities& out, const Words& words) {
  for (std::size_t i = 1; i < words.size() && out.auth.size() < mechanisms_limit; ++i) {
    if (words[i].size() > mechanism_length) continue;
    std::string mechanism;
    for (char c : words[i]) mechanism += ascii_upper(c);
    if (std::ranges::find(out.auth, mechanism) == out.auth.end()) out.auth.push_back(std::move(mechanism));
  }
}

using Flag = bool Capabilities::*;
struct Keyword {
  std::string_view name;
  Flag flag;
};
constexpr std::array<Keyword, 7> plain_keywords{{
    {"PIPELINING", &Capabilities::pipelining}, {"CHUNKING", &Capabilities::chunking}, {"BINARYMIME", &Capabilities::binarymime},
    {"8BITMIME", &Capabilities::eight_bit}, {"SMTPUTF8", &Capabilities::smtputf8}, {"DSN", &Capabilities::dsn},
    {"STARTTLS", &Capabilities::starttls},
}};

void read_keyword(Capabilities& out, std::string_view line) {
  Words words = words_of(line);
  if (words.empty()) return;
  for (const Keyword& keyword : plain_keywords) {
    if (iequals(words[0], keyword.name)) out.*keyword.flag = true;
  }
  if (iequals(words[0], "SIZE")) read_size(out, words);
  else if (iequals(words[0], "LIMITS")) read_limits(out, words);
  else if (iequals(words[0], "AUTH")) read_auth(out, words);
}

}  // namespace

Capabilities parse_capabilities(std::string_view text) {
  Capabilities out;
  out.esmtp = true;
  auto lines = split(text, '\n');
  for (std::size_t i = 1; i < lines.size(); ++i) read_keyword(out, lines[i]);
  // RFC 3030 §3: BINARYMIME needs CHUNKING. RFC 6531 §3.1: SMTPUTF8 comes with 8BITMIME, but some forget to say so.
  out.binarymime = out.binarymime && out.chunking;
  out.eight_bit = out.eight_bit || out.smtputf8;
  return out;
}

}  // namespace mansio::smtp
