// What the log tells of a TLS session (docs/logs.md: X=, CV=, SNI=).
#pragma once
#include "log/event.hpp"
#include "net/tls.hpp"

namespace mansio::net {

// CV= is only for a peer that showed a certificate.
inline log::Tls log_fields(const TlsInfo& info) {
  log::Tls out;
  out.version = info.version;
  out.cipher = info.cipher;
  out.bits = info.bits;
  if (info.peer_certificate) out.verified = info.verified;
  return out;
}

}  // namespace mansio::net
