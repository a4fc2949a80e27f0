// One TLS session over OpenSSL, without I/O of its own: bytes from the wire go in, bytes for the wire come out. Private
// to this room; net::Connection moves them.
#pragma once
#include <string>

#include "net/tls.hpp"

namespace mansio::net {

class TlsSession {
 public:
  const TlsInfo& info() const noexcept { return info_; }
  std::string exporter() const;
  std::string server_end_point() const;

 private:
  TlsInfo info_;
};

}  // namespace mansio::net
