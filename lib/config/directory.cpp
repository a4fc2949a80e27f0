#include "config/directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/next_hop.hpp"

namespace mansio::config {
namespace {

constexpr int deepest_filter = 50;
constexpr std::array<std::string_view, 3> place_names{"{address}", "{local}", "{domain}"};

bool is_hex(char c) { return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f'); }

// Which place begins at `at`; the number of them: none.
std::size_t place_at(std::string_view text, std::size_t at) {
  auto found = std::ranges::find_if(place_names, [&](std::string_view place) { return text.substr(at).starts_with(place); });
  return static_cast<std::size_t>(found - place_names.begin());
}

// A reader of filters that only says whether they are well formed.
class FilterReader {
 public:
  explicit FilterReader(std::string_view text) : text_(text) {}

  Result<> read() {
    auto whole = filter(0);
    if (!whole) return whole;
    if (at_ != text_.size()) return wrong("something follows its last parenthesis");
    if (!named_) return fail(Fault::invalid, "the filter asks for nobody: it needs {address} or {local}");
    return {};
  }

 private:
  std::unexpected<Error> wrong(std::string_view what) const {
    return fail(Fault::invalid, fmt::format("the filter is no filter of LDAP (RFC 4515) at character {}: {}", at_ + 1, what));
  }
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  Result<> filter(int depth) {
    if (depth > deepest_filter) return wrong("too many parentheses in each other");
    if (next() != '(') return wrong("\"(\" is expected");
    ++at_;
    char kind = next();
    if (kind == '&' || kind == '|' || kind == '!') {
      ++at_;
      std::size_t parts = 0;
      for (; next() == '('; ++parts) {
        auto part = filter(depth + 1);
        if (!part) return part;
      }
      if (kind == '!' && parts != 1) return wrong("\"!\" needs one filter");
      if (parts == 0) return wrong("a list of filters is expected");
    } else {
      auto item = this->item();
      if (!item) return item;
    }
    if (next() != ')') return wrong("\")\" is expected");
    ++at_;
    return {};
  }

  // "attribute=value", "~=", ">=", "<=", "attribute:rule:=value".
  Result<> item() {
    std::size_t begin = at_;
    while (is_alnum(next()) || next() == '-' || next() == '.' || next() == ';' || next() == ':') ++at_;
    std::size_t length = at_ - begin;
    if (length == 0) return wrong("the name of an attribute is expected");
    if (next() == '~' || next() == '>' || next() == '<') ++at_;
    if (next() != '=') return wrong("\"=\" is expected behind the name of an attribute");
    ++at_;
    return value();
  }

  Result<> value() {
    while (at_ < text_.size() && next() != ')') {
      char c = next();
      if (c == '(' || c == '\0') return wrong("a parenthesis in a value is written \\28 or \\29");
      if (c == '\\' && (at_ + 2 >= text_.size() || !is_hex(text_[at_ + 1]) || !is_hex(text_[at_ + 2]))) return wrong("two hexadecimal digits follow a backslash");
      if (c == '{') {
        std::size_t place = place_at(text_, at_);
        if (place == place_names.size()) return wrong("only {address}, {local} and {domain} may stand in braces; a brace is written \\7b");
        named_ = named_ || place < 2;
        at_ += place_names[place].size();
        continue;
      }
      ++at_;
    }
    return {};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool named_ = false;
};

Result<LdapServer> parse_socket(std::string_view path) {
  LdapServer out;
  out.local = true;
  while (path.ends_with('/') && path.size() > 1) path.remove_suffix(1);
  bool encoded = path.starts_with('%');
  if (!encoded && (!path.starts_with('/') || path == "/")) return fail(Fault::invalid, "write ldapi:// with the path of a socket, such as \"ldapi:///run/slapd/ldapi\"");
  out.uri = "ldapi://";
  for (char c : path) {
    bool plain = is_alnum(c) || c == '.' || c == '-' || c == '_' || (encoded && c == '%');
    out.uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  out.uri += '/';
  return out;
}

}  // namespace

Result<LdapServer> parse_ldap_server(std::string_view text) {
  auto wrong = [&](std::string_view why) {
    return fail(Fault::invalid, fmt::format("\"{}\" is no server: {}write \"ldap://host\", \"ldaps://host:636\" or \"ldapi:///path\"", escape(text, 80), why));
  };
  if (has_control(text)) return wrong("");
  if (istarts_with(text, "ldapi://")) return parse_socket(text.substr(8));
  LdapServer out;
  out.encrypted = istarts_with(text, "ldaps://");
  if (!out.encrypted && !istarts_with(text, "ldap://")) return wrong("");
  std::string_view place = text.substr(out.encrypted ? 8 : 7);
  if (place.ends_with('/')) place.remove_suffix(1);
  if (place.find_first_of("/?") != std::string_view::npos) return wrong("base, scope and filter are settings of their own; ");
  auto hop = parse_next_hop(place);
  bool host = hop && (hop->kind == NextHopKind::host || hop->kind == NextHopKind::literal);
  if (!host || place.starts_with("mx:")) return wrong("");
  bool v6 = hop->kind == NextHopKind::literal && hop->name.find(':') != std::string::npos;
  out.uri = fmt::format("{}://{}:{}", out.encrypted ? "ldaps" : "ldap", v6 ? "[" + hop->name + "]" : hop->name, hop->port != 0 ? hop->port : out.encrypted ? 636 : 389);
  return out;
}

Result<> check_ldap_filter(std::string_view text) { return FilterReader(text).read(); }

std::string escape_for_filter(std::string_view octets) {
  std::string out;
  for (char c : octets) {
    bool plain = c >= ' ' && c < 0x7f && std::string_view("*()\\").find(c) == std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("\\{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string fill_ldap_filter(std::string_view text, std::string_view address, std::string_view local, std::string_view domain) {
  const std::array<std::string, 3> values{escape_for_filter(address), escape_for_filter(local), escape_for_filter(domain)};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t place = text[at] == '{' ? place_at(text, at) : place_names.size();
    if (place == place_names.size()) {
      out += text[at++];
      continue;
    }
    out += values[place];
    at += place_names[place].size();
  }
  return out;
}

bool is_ldap_attribute(std::string_view name) {
  return !name.empty() && name.size() <= 100 && is_alnum(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '-' || c == '.'; });
}

}  // namespace mansio::config
