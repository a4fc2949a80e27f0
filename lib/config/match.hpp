// Do a domain, a sender and a client address stand in a list of the configuration? Lists are compiled once; matching allocates
// nothing but a lower-case copy. Look-ups ("file:/path") are kept apart for who can ask them. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace mansio::config {

// Lower case, A-labels (IDNA2008), no trailing dot: "Bücher.Example." → "xn--bcher-kva.example". An address literal
// in brackets is written in one way ("[IPv6:2001:db8::1]", RFC 5321 §4.1.3). Fault::invalid says what is wrong with it.
Result<std::string> canonical_domain(std::string_view text);

bool is_look_up(std::string_view name);          // "file:/etc/mansio/blocked"

// Patterns: "example.org" (itself alone), "*.example.org" (all below it, not itself), "*" (every domain).
class DomainList {
 public:
  DomainList() = default;
  explicit DomainList(const std::vector<std::string>& patterns);   // as canonical_domain gives them
  bool matches(std::string_view domain) const;                     // case doesn't count; A-labels
  const std::vector<std::string>& look_ups() const noexcept { return look_ups_; }

 private:
  bool all_ = false;
  std::vector<std::string> exact_, suffixes_, look_ups_;           // sorted; suffixes_ with their dot: ".example.org"
};

// "User@Example.ORG" → "user@example.org", a domain as canonical_domain does it, "*.example.org", "*", "<>".
Result<std::string> canonical_sender(std::string_view text);

// Patterns of envelope senders: "user@example.org" (case doesn't count), "example.org", "*.example.org", "*" (every sender
// that has an address), "<>" (bounces and their like).
class SenderList {
 public:
  SenderList() = default;
  explicit SenderList(const std::vector<std::string>& patterns);   // as canonical_sender gives them
  bool matches(std::string_view local, std::string_view domain) const;   // unquoted local part; both empty: "<>"

 private:
  bool null_ = false;
  std::vector<std::string> addresses_;                             // sorted
  DomainList domains_;
};

// A block of addresses. IPv4 is kept as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2), so that both forms of a client match.
class Network {
 public:
  using Bits = std::array<std::uint8_t, 16>;
  static Result<Network> parse(std::string_view text);             // "192.0.2.0/24", "::1"; no bits past the prefix
  static Result<Bits> parse_address(std::string_view text);
  bool contains(const Bits& address) const noexcept;

 private:
  Bits bits_{};
  int prefix_ = 128;
};

class NetworkList {
 public:
  NetworkList() = default;
  explicit NetworkList(const std::vector<std::string>& entries);   // entries that don't parse match nothing
  bool matches(std::string_view address) const;                    // "192.0.2.1", "2001:db8::1"; anything else: false
  const std::vector<std::string>& look_ups() const noexcept { return look_ups_; }

 private:
  std::vector<Network> networks_;
  std::vector<std::string> look_ups_;
};

}  // namespace mansio::config
