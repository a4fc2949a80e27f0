#include "mail/address.hpp"

#include <arpa/inet.h>
#include <idn2.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t domain_limit = 255, label_limit = 63, local_limit = 255;
constexpr std::size_t u_domain_limit = 4 * domain_limit;   // octets of UTF-8 that may still give a key in bounds

// RFC 5322 §3.2.3 atext, and RFC 6531 §3.3: UTF8-non-ascii beside it.
constexpr bool is_atext(char c) noexcept {
  return is_alnum(c) || is_8bit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// C1 controls are control characters to a terminal: refused like C0.
bool has_c1_control(std::string_view text) noexcept {
  for (std::size_t i = text.find('\xc2'); i != std::string_view::npos; i = text.find('\xc2', i + 1)) {
    if (i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
  }
  return false;
}

bool is_dot_string(std::string_view text) noexcept {
  bool after_atom = false;
  for (char c : text) {
    if (c == '.' ? !after_atom : !is_atext(c)) return false;
    after_atom = c != '.';
  }
  return after_atom;
}

// RFC 1035 §2.3.4 lengths, RFC 5321 §4.1.2 sub-domain. "_" is accepted: such names exist and resolve.
bool is_ascii_domain(std::string_view text) noexcept {
  if (text.empty() || text.size() > domain_limit) return false;
  std::size_t length = 0;
  char previous = '.';
  for (char c : text) {
    if (c == '.') {
      if (length == 0 || previous == '-') return false;
      length = 0;
    } else {
      if (!(is_alnum(c) || c == '_' || (c == '-' && length > 0)) || ++length > label_limit) return false;
    }
    previous = c;
  }
  return length > 0 && previous != '-';
}

// RFC 5891 through libidn2; the answer is checked again, since mapping may bring in any ASCII character.
Result<std::string> to_a_labels(std::string_view text) {
  if (text.size() > u_domain_limit) return fail(Fault::too_long, "domain name is too long");
  if (has_control(text) || !is_utf8(text)) return fail(Fault::invalid, "domain name is not valid UTF-8");
  std::uint8_t* out = nullptr;
  std::string input(text);
  int rc = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(input.c_str()), &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (rc != IDN2_OK) return fail(Fault::invalid, std::string("domain name: ") + idn2_strerror(rc));
  std::unique_ptr<std::uint8_t, void (*)(void*)> owner(out, idn2_free);
  return to_lower(reinterpret_cast<const char*>(out));
}

// RFC 5321 §4.1.3. Returns the normalised literal.
Result<std::string> normalise_literal(std::string_view text) {
  if (text.size() > 64 || !text.ends_with(']')) return fail(Fault::invalid, "address literal is malformed");
  std::string inner(text.substr(1, text.size() - 2));
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (istarts_with(inner, "IPv6:")) {
    inner.erase(0, 5);
    if (inner.find('\0') == inner.npos && inet_pton(AF_INET6, inner.c_str(), bytes.data()) == 1 &&
        inet_ntop(AF_INET6, bytes.data(), out.data(), out.size()) != nullptr) {
      return std::string("[IPv6:") + out.data() + "]";
    }
  } else if (inner.find('\0') == inner.npos && inet_pton(AF_INET, inner.c_str(), bytes.data()) == 1) {
    return "[" + inner + "]";
  }
  return fail(Fault::invalid, "address literal is malformed");
}

// RFC 5321 §4.1.2 Quoted-string: what stands between the quotes, quoted-pairs resolved.
Result<std::string> unquote(std::string_view text) {
  std::string out;
  if (text.size() < 2 || !text.ends_with('"')) return fail(Fault::invalid, "quoted local part without its closing quote");
  std::string_view inner = text.substr(1, text.size() - 2);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    char c = inner[i];
    if (c == '"') return fail(Fault::invalid, "quote inside of a quoted local part");
    if (c == '\\') {
      if (++i == inner.size() || is_8bit(inner[i])) return fail(Fault::invalid, "backslash without a character to quote");
      c = inner[i];
    }
    out += c;
  }
  return out;
}

}  // namespace

Result<Domain> Domain::parse(std::string_view text) {
  if (text.starts_with('[')) {
    auto literal = normalise_literal(text);
    if (!literal) return std::unexpected(literal.error());
    return Domain(std::string(text), *literal == text ? std::string() : std::move(*literal));
  }
  std::string_view name = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  if (!is_ascii(name)) {
    auto key = to_a_labels(name);
    if (!key) return std::unexpected(key.error());
    if (!is_ascii_domain(*key)) return fail(Fault::invalid, "domain name is malformed");
    return Domain(std::string(text), std::move(*key));
  }
  if (!is_ascii_domain(name)) return fail(Fault::invalid, "domain name is malformed");
  bool same = name.size() == text.size() && std::ranges::all_of(name, [](char c) { return ascii_lower(c) == c; });
  return Domain(std::string(text), same ? std::string() : to_lower(name));
}

std::string Domain::literal_address() const {
  if (!is_literal()) return {};
  std::string_view inner(key());
  inner = inner.substr(1, inner.size() - 2);
  if (inner.starts_with("IPv6:")) inner.remove_prefix(5);
  return std::string(inner);
}

Result<LocalPart> LocalPart::parse(std::string_view text) {
  if (text.size() > 2 * local_limit + 2) return fail(Fault::too_long, "local part is too long");
  if (text.starts_with('"')) {
    auto value = unquote(text);
    if (!value) return std::unexpected(value.error());
    return from_unquoted(*value);
  }
  if (!is_dot_string(text)) return fail(Fault::invalid, "local part is malformed");
  return from_unquoted(text);
}

Result<LocalPart> LocalPart::from_unquoted(std::string_view text) {
  if (text.empty()) return fail(Fault::invalid, "local part is empty");
  if (text.size() > local_limit) return fail(Fault::too_long, "local part is too long");
  if (has_control(text)) return fail(Fault::invalid, "control character in local part");
  if (!is_ascii(text) && (!is_utf8(text) || has_c1_control(text))) {
    return fail(Fault::invalid, "local part is not valid UTF-8");
  }
  return LocalPart(std::string(text));
}

std::string LocalPart::quoted() const {
  if (is_dot_string(value_)) return value_;
  std::string out = "\"";
  for (char c : value_) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

std::string LocalPart::key() const { return to_lower(value_); }

Result<Address> Address::parse(std::string_view text) {
  // A quoted local part may hold '@' (S-027): the separator is the '@' right after the closing quote.
  std::size_t at = std::string_view::npos;
  if (text.starts_with('"')) {
    std::size_t end = 1;
    while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    if (end + 1 < text.size() && text[end + 1] == '@') at = end + 1;
  } else {
    at = text.rfind('@');
  }
  if (at == std::string_view::npos) return fail(Fault::invalid, "address without @domain");
  auto local = LocalPart::parse(text.substr(0, at));
  if (!local) return std::unexpected(local.error());
  auto domain = Domain::parse(text.substr(at + 1));
  if (!domain) return std::unexpected(domain.error());
  return Address(std::move(*local), std::move(*domain));
}

bool Address::needs_smtputf8() const noexcept { return !is_ascii(local_.value()) || !is_ascii(domain_.text()); }

}  // namespace mansio::mail
