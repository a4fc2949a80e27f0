// A host that a transport names, in its `hosts` or `fallback`: "mail.example.org", "mail.example.org:587", "[192.0.2.1]",
// "[2001:db8::1]:587", "mx:example.org" (the MX hosts of that domain), "unix:/run/socket". Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::config {

enum class NextHopKind : std::uint8_t { host, literal, mx, unix_socket };

struct NextHop {
  NextHopKind kind = NextHopKind::host;
  std::string name;              // host and mx: lower case, A-labels; literal: as inet_ntop writes it; else the path
  std::uint16_t port = 0;        // 0: none was given

  // As parse_next_hop takes it; the same host gives the same text. `port` stands for one that wasn't given.
  std::string text(std::uint16_t port) const;
};

// Fault::invalid says what is wrong and what to write.
Result<NextHop> parse_next_hop(std::string_view text);

}  // namespace mansio::config
