// RFC 7208 §7: macros of a domain-spec.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "doctor/spf.hpp"

namespace mansio::doctor {
namespace {

constexpr std::size_t name_limit = 253;

// "192.0.2.3", or the nibbles of an IPv6 address with dots between them.
std::string dotted(const std::string& address) {
  std::array<unsigned char, 16> octets{};
  if (::inet_pton(AF_INET6, address.c_str(), octets.data()) != 1) return address;
  std::string out;
  for (unsigned char octet : octets) out += fmt::format("{}{:x}.{:x}", out.empty() ? "" : ".", octet >> 4, octet & 15);
  return out;
}

std::string letter_value(char letter, const SpfQuestion& question, const std::string& domain) {
  auto at = question.sender.rfind('@');
  switch (ascii_lower(letter)) {
    case 's': return question.sender;
    case 'l': return at == std::string::npos ? "postmaster" : question.sender.substr(0, at);
    case 'o': return at == std::string::npos ? question.domain : question.sender.substr(at + 1);
    case 'd': return domain;
    case 'i': return dotted(question.address);
    case 'p': return "unknown";                        // §7.3: what may be said without asking
    case 'v': return question.address.find(':') == std::string::npos ? "in-addr" : "ip6";
    case 'h': return question.helo;
    default: return {};
  }
}

// The value split at delimiters, reversed and cut as the transformers say.
std::string transformed(const std::string& value, std::size_t keep, bool reverse, std::string_view delimiters) {
  std::vector<std::string> parts(1);
  for (char c : value) {
    if (delimiters.find(c) != std::string_view::npos) parts.emplace_back();
    else parts.back() += c;
  }
  if (reverse) std::ranges::reverse(parts);
  if (keep > 0 && keep < parts.size()) parts.erase(parts.begin(), parts.end() - static_cast<std::ptrdiff_t>(keep));
  return fmt::format("{}", fmt::join(parts, "."));
}

// "ir", "d2", "l1r-": what stands between the braces.
Result<std::string> macro(std::string_view body, const SpfQuestion& question, const std::string& domain) {
  std::string value = body.empty() ? std::string() : letter_value(body[0], question, domain);
  if (value.empty()) return fail(Fault::invalid, fmt::format("%{{{}}} is no macro", escape(body, 40)));
  std::string_view rest = body.substr(1);
  std::size_t digits = 0;
  while (digits < rest.size() && is_digit(rest[digits])) ++digits;
  auto keep = digits == 0 ? std::optional<std::uint64_t>(0) : parse_number(rest.substr(0, digits));
  rest.remove_prefix(digits);
  bool reverse = !rest.empty() && ascii_lower(rest[0]) == 'r';
  if (reverse) rest.remove_prefix(1);
  bool good = keep && *keep <= 128 && !(digits > 0 && *keep == 0) && rest.find_first_not_of(".-+,/_=") == std::string_view::npos;
  if (!good) return fail(Fault::invalid, fmt::format("%{{{}}} is no macro", escape(body, 40)));
  return transformed(value, static_cast<std::size_t>(*keep), reverse, rest.empty() ? "." : rest);
}

}  // namespace

Result<std::string> expand_spf(std::string_view spec, const SpfQuestion& question, const std::string& domain) {
  if (spec.empty()) return domain;
  std::string out;
  for (std::size_t i = 0; i < spec.size(); ++i) {
    if (spec[i] != '%') {
      out += spec[i];
      continue;
    }
    char next = ++i < spec.size() ? spec[i] : '\0';
    if (next == '%') out += '%';
    else if (next == '_') out += ' ';
    else if (next == '-') out += "%20";
    else if (next == '{') {
      auto end = spec.find('}', i);
      if (end == std::string_view::npos) return fail(Fault::invalid, "a macro that does not end");
      auto value = macro(spec.substr(i + 1, end - i - 1), question, domain);
      if (!value) return value;
      out += *value;
      i = end;
    } else {
      return fail(Fault::invalid, "\"%\" without a macro");
    }
  }
  // §7.3: labels are taken off from the left until it fits.
  while (out.size() > name_limit && out.find('.') != std::string::npos) out.erase(0, out.find('.') + 1);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

}  // namespace mansio::doctor
