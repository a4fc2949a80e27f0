#include "smtp/parameters.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::smtp {
namespace {

using Checked = std::expected<void, Status>;

struct Parameter {
  std::string_view keyword;
  std::optional<std::string_view> value;
};

std::unexpected<Status> bad_parameter(std::string_view what) {
  return std::unexpected(Status(501, 5, 4, "Syntax error in parameter " + std::string(what)));
}

// RFC 5321 §4.1.2 esmtp-keyword
bool is_keyword(std::string_view text) noexcept {
  return !text.empty() && is_alnum(text[0]) && std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '-'; });
}

// esmtp-value: 1 or more of 33..126 without "="; 8-bit only with SMTPUTF8 (RFC 6531 §3.3).
bool is_value(std::string_view text, bool allow_8bit) noexcept {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return is_8bit(c) ? allow_8bit : c > ' ' && c < 0x7f && c != '=';
  });
}

std::expected<Parameter, Status> split_parameter(std::string_view word, bool allow_8bit) {
  auto equals = word.find('=');
  Parameter parameter{word.substr(0, equals), std::nullopt};
  if (!is_keyword(parameter.keyword)) return bad_parameter("list");
  if (equals != std::string_view::npos) {
    parameter.value = word.substr(equals + 1);
    if (!is_value(*parameter.value, allow_8bit)) return bad_parameter(parameter.keyword);
  }
  return parameter;
}

// Encoded as RFC 3461 §4, and printable once decoded (§4.2, §4.4): no line break for anybody later (S-013). The RFC wants
// ASCII; postfix encodes the octets of a UTF-8 address as rfc822 as well, and to refuse that would return the mail.
bool is_clean_xtext(std::string_view text) {
  auto decoded = xtext_decode(text);
  return decoded && !has_control(*decoded) && is_utf8(*decoded);
}

Checked set_size(MailArguments& out, const Parameter& p) {
  if (!p.value) return {};   // RFC 1870 §7: asks for a check of resources, names no size
  if (p.value->size() > 20 || !std::ranges::all_of(*p.value, is_digit)) return bad_parameter("SIZE");   // §6.1
  out.size = parse_number(*p.value).value_or(std::numeric_limits<std::uint64_t>::max());
  return {};
}

Checked set_body(MailArguments& out, const Parameter& p) {
  std::string_view value = p.value.value_or("");
  if (iequals(value, "7BIT")) out.body = mail::Body::seven_bit;
  else if (iequals(value, "8BITMIME")) out.body = mail::Body::eight_bit;
  else if (iequals(value, "BINARYMIME")) out.body = mail::Body::binary;
  else return bad_parameter("BODY");
  return {};
}

Checked set_smtputf8(MailArguments& out, const Parameter& p) {
  if (p.value) return bad_parameter("SMTPUTF8");   // RFC 6531 §3.4
  out.smtputf8 = true;
  return {};
}

Checked set_ret(MailArguments& out, const Parameter& p) {
  std::string_view value = p.value.value_or("");
  if (iequals(value, "FULL")) out.ret = mail::Return::full;
  else if (iequals(value, "HDRS")) out.ret = mail::Return::headers;
  else return bad_parameter("RET");
  return {};
}

Checked set_envid(MailArguments& out, const Parameter& p) {
  if (!p.value || p.value->size() > 100 || !is_clean_xtext(*p.value)) return bad_parameter("ENVID");   // RFC 3461 §4.4
  out.envid = *p.value;
  return {};
}

// RFC 4954 §5. "<>" is the only value that stands unencoded; "<" and ">" are xtext as well.
Checked set_auth(MailArguments& out, const Parameter& p) {
  if (!p.value || p.value->size() > 500) return bad_parameter("AUTH");
  auto decoded = xtext_decode(*p.value);
  if (!decoded || has_control(*decoded)) return bad_parameter("AUTH");
  out.auth = *p.value;
  return {};
}

// RFC 3461 §4.1: NEVER alone, or a list of the others.
Checked set_notify(RcptArguments& out, const Parameter& p) {
  for (std::string_view word : split(p.value.value_or(""), ',')) {
    if (iequals(word, "NEVER")) out.notify |= mail::Notify::never;
    else if (iequals(word, "SUCCESS")) out.notify |= mail::Notify::success;
    else if (iequals(word, "FAILURE")) out.notify |= mail::Notify::failure;
    else if (iequals(word, "DELAY")) out.notify |= mail::Notify::delay;
    else return bad_parameter("NOTIFY");
  }
  bool never = (out.notify & mail::Notify::never) != 0;
  if (never && !iequals(*p.value, "NEVER")) return bad_parameter("NOTIFY");
  return {};
}

// RFC 3461 §4.2: addr-type ";" xtext. RFC 6533 §3: the type utf-8 has an encoding of its own and, with SMTPUTF8, raw UTF-8.
Checked set_orcpt(RcptArguments& out, const Parameter& p) {
  auto semicolon = p.value.value_or("").find(';');
  if (semicolon == std::string_view::npos || p.value->size() > 500) return bad_parameter("ORCPT");
  std::string_view type = p.value->substr(0, semicolon), address = p.value->substr(semicolon + 1);
  bool clean = iequals(type, "utf-8") ? is_utf8(address) && address.find('+') == std::string_view::npos
                                      : is_clean_xtext(address);
  if (!is_keyword(type) || address.empty() || !clean) return bad_parameter("ORCPT");
  out.orcpt = *p.value;
  return {};
}

template <class Arguments>
struct ParameterRow {
  std::string_view keyword;
  Checked (*set)(Arguments&, const Parameter&);
};
constexpr std::array<ParameterRow<MailArguments>, 6> mail_parameters{{
    {"SIZE", set_size}, {"BODY", set_body}, {"SMTPUTF8", set_smtputf8}, {"RET", set_ret}, {"ENVID", set_envid}, {"AUTH", set_auth},
}};
constexpr std::array<ParameterRow<RcptArguments>, 2> rcpt_parameters{{{"NOTIFY", set_notify}, {"ORCPT", set_orcpt}}};

template <class Arguments, std::size_t N>
Checked parse_parameters(std::string_view text, bool allow_smtputf8, const std::array<ParameterRow<Arguments>, N>& rows,
                         Arguments& out) {
  std::array<bool, N> seen{};
  if (!text.empty() && text[0] != ' ' && text[0] != '\t') return bad_parameter("list");   // <x>junk (S-025)
  while (true) {
    auto start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return {};
    text.remove_prefix(start);
    std::string_view word = text.substr(0, text.find_first_of(" \t"));
    text.remove_prefix(word.size());
    auto parameter = split_parameter(word, allow_smtputf8);
    if (!parameter) return std::unexpected(parameter.error());
    std::size_t i = 0;
    while (i < N && !iequals(rows[i].keyword, parameter->keyword)) ++i;
    if (i == N || (rows[i].keyword == "SMTPUTF8" && !allow_smtputf8)) {
      return std::unexpected(Status(555, 5, 4, "Parameter not recognized: " + std::string(parameter->keyword)));
    }
    if (std::exchange(seen[i], true)) return bad_parameter(std::string(rows[i].keyword) + ": given twice");
    auto set = rows[i].set(out, *parameter);
    if (!set) return set;
    out.extended = true;
  }
}

// Where the source route of "@a,@b:u@d" ends, 0 without one; npos: malformed (RFC 5321 §4.1.2 A-d-l, Appendix C).
std::size_t route_length(std::string_view path) {
  if (!path.starts_with('@')) return 0;
  auto colon = path.find(':');
  // An address literal has a colon of its own: [IPv6:…].
  while (colon != std::string_view::npos && path.rfind('[', colon) != std::string_view::npos &&
         path.find(']', path.rfind('[', colon)) > colon) {
    colon = path.find(':', colon + 1);
  }
  if (colon == std::string_view::npos) return std::string_view::npos;
  for (std::string_view hop : split(path.substr(0, colon), ',')) {
    if (!hop.starts_with('@') || !mail::Domain::parse(hop.substr(1))) return std::string_view::npos;
  }
  return colon + 1;
}

}  // namespace

std::optional<Path> split_path(std::string_view text) {
  auto start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos || text[start] != '<') return std::nullopt;
  text.remove_prefix(start + 1);
  bool quoted = false;
  std::size_t end = 0;
  for (; end < text.size() && (quoted || text[end] != '>'); ++end) {
    if (text[end] == '"') quoted = !quoted;
    else if (quoted && text[end] == '\\') ++end;
  }
  if (end >= text.size()) return std::nullopt;
  std::size_t route = route_length(text.substr(0, end));
  if (route == std::string_view::npos || (route > 0 && route == end)) return std::nullopt;
  return Path{text.substr(route, end - route), text.substr(end + 1)};
}

Checked parse_mail_parameters(std::string_view text, bool allow_smtputf8, MailArguments& out) {
  return parse_parameters(text, allow_smtputf8, mail_parameters, out);
}

Checked parse_rcpt_parameters(std::string_view text, bool allow_smtputf8, RcptArguments& out) {
  return parse_parameters(text, allow_smtputf8, rcpt_parameters, out);
}

}  // namespace mansio::smtp
