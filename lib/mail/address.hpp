// Addresses of RFC 5321 §4.1.2 and RFC 6531 §3.3: strong types that only a parser builds.
#pragma once
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::mail {

// A domain name or an address literal. `text` is what was sent (case kept, relay keeps it); `key` is for comparing
// and looking up: lower case, A-labels (IDNA2008 through libidn2), no trailing dot; a literal as "[1.2.3.4]" or "[IPv6:…]" normalised.
class Domain {
 public:
  // Bounds of RFC 1035: labels 1..63, 255 in all (of the key). 8-bit only as valid UTF-8 that IDNA accepts.
  static Result<Domain> parse(std::string_view text);
  const std::string& text() const noexcept { return text_; }
  const std::string& key() const noexcept { return key_.empty() ? text_ : key_; }
  bool is_literal() const noexcept { return text_.starts_with('['); }
  // The address of a literal as inet_pton takes it, "192.0.2.1" or "2001:db8::1"; "" for a name.
  std::string literal_address() const;
  bool operator==(const Domain& other) const noexcept { return key() == other.key(); }

 private:
  Domain(std::string text, std::string key) : text_(std::move(text)), key_(std::move(key)) {}
  std::string text_, key_;    // key_ empty: the same as text_
};

// A local part, unquoted: "john smith" for "\"john smith\"@x". Case kept.
class LocalPart {
 public:
  // `text` as in a path: dot-string or quoted-string; 1 to 255 octets unquoted (RFC 5321 asks for 64 at least); no control
  // bytes. Non-ASCII only as valid UTF-8 (RFC 6531 §3.3); whether SMTPUTF8 was given is for the caller to check.
  static Result<LocalPart> parse(std::string_view text);
  // Of text that is no quoted form (a system user's name); same bounds.
  static Result<LocalPart> from_unquoted(std::string_view text);
  const std::string& value() const noexcept { return value_; }
  std::string quoted() const;     // as it goes on the wire: quoted only when it must be
  std::string key() const;        // ASCII lower case, for look-ups in local domains

 private:
  explicit LocalPart(std::string value) : value_(std::move(value)) {}
  std::string value_;
};

class Address {
 public:
  Address(LocalPart local, Domain domain) : local_(std::move(local)), domain_(std::move(domain)) {}
  // "local@domain", without angle brackets or source route; the last unquoted '@' separates.
  static Result<Address> parse(std::string_view text);
  const LocalPart& local() const noexcept { return local_; }
  const Domain& domain() const noexcept { return domain_; }
  std::string text() const { return local_.quoted() + "@" + domain_.text(); }   // as it goes on the wire, case kept
  std::string key() const { return LocalPart(local_).key() + "@" + domain_.key(); }   // for comparing local addresses
  bool needs_smtputf8() const noexcept;   // non-ASCII in local part or domain text

 private:
  LocalPart local_;
  Domain domain_;
};

}  // namespace mansio::mail
