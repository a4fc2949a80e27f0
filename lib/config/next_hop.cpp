#include "config/next_hop.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "config/match.hpp"

namespace mansio::config {
namespace {

bool is_number(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

std::unexpected<Error> no_host(std::string_view text) {
  return fail(
      Fault::invalid,
      fmt::format(
          "\"{}\" is no host: write \"host\", \"host:port\", \"[address]\", \"[address]:port\", \"mx:domain\" or, "
          "for lmtp, \"unix:/path\"",
          escape(text, 80)));
}

std::optional<std::string> canonical_address(std::string_view text) {
  std::array<unsigned char, 16> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  std::string address(text);
  int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (text.find('\0') != std::string_view::npos || inet_pton(family, address.c_str(), bytes.data()) != 1 ||
      inet_ntop(family, bytes.data(), out.data(), out.size()) == nullptr)
    return std::nullopt;
  return std::string(out.data());
}

}  // namespace

std::string NextHop::text(std::uint16_t fallback_port) const {
  switch (kind) {
    case NextHopKind::unix_socket: return "unix:" + name;
    case NextHopKind::literal: return fmt::format("[{}]:{}", name, port != 0 ? port : fallback_port);
    case NextHopKind::mx: return fmt::format("mx:{}:{}", name, port != 0 ? port : fallback_port);
    case NextHopKind::host: break;
  }
  return fmt::format("{}:{}", name, port != 0 ? port : fallback_port);
}

Result<NextHop> parse_next_hop(std::string_view text) {
  NextHop hop;
  if (has_control(text)) return no_host(text);
  if (text.starts_with("unix:") && !is_number(text.substr(5))) {      // "unix:25" is a host that is called unix
    hop.kind = NextHopKind::unix_socket;
    hop.name = text.substr(5);
    if (hop.name.empty()) return fail(Fault::invalid, "a path must follow \"unix:\"");
    return hop;
  }
  std::string_view name = text;
  if (text.starts_with("mx:") && !is_number(text.substr(3))) {  // "mx:25" is a host that is called mx
    hop.kind = NextHopKind::mx;
    name.remove_prefix(3);
  }
  // The colon of a port is behind the bracket of an address.
  auto colon = name.find(':', name.starts_with('[') ? std::min(name.find(']'), name.size()) : 0);
  if (colon != std::string_view::npos) {
    auto port = parse_number(name.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return no_host(text);
    hop.port = static_cast<std::uint16_t>(*port);
    name = name.substr(0, colon);
  }
  bool bracketed = name.starts_with('[') && name.ends_with(']');
  std::string_view inner = bracketed ? name.substr(1, name.size() - 2) : name;
  if (bracketed && istarts_with(inner, "IPv6:")) inner.remove_prefix(5);  // RFC 5321 §4.1.3
  if (auto address = canonical_address(inner)) {
    if (hop.kind == NextHopKind::mx)
      return fail(Fault::invalid, fmt::format("\"{}\": an address has no MX hosts", escape(text, 80)));
    hop.kind = NextHopKind::literal;
    hop.name = std::move(*address);
    return hop;
  }
  if (name.starts_with('[')) return no_host(text);
  auto canonical = canonical_domain(name);
  if (!canonical) return no_host(text);
  hop.name = std::move(*canonical);
  return hop;
}

}  // namespace mansio::config
