// Channel binding (RFC 5056): bytes that both ends of one TLS session share and nobody between them has. Opaque here;
// lib/net takes them from OpenSSL. tls-unique is left out: TLS 1.3 has none, and before that it can be forged.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mansio::sasl {

struct ChannelBindings {
  std::string exporter;          // tls-exporter, RFC 9266: EXPORTER-Channel-Binding, 32 octets; empty: none
  std::string server_end_point;  // tls-server-end-point, RFC 5929 §4: digest of the server's certificate; empty: none

  bool any() const noexcept { return !exporter.empty() || !server_end_point.empty(); }

  // The bytes of a type by its registered name; nullopt: unknown, or there are none.
  std::optional<std::string_view> find(std::string_view type) const noexcept {
    if (type == "tls-exporter" && !exporter.empty()) return exporter;
    if (type == "tls-server-end-point" && !server_end_point.empty()) return server_end_point;
    return std::nullopt;
  }
};

}  // namespace mansio::sasl
