// What the scripts' server shows: a certificate of its own making for server.test, which the scripts' client trusts.
#pragma once
#include <memory>
#include <stdexcept>

#include "net/tls.hpp"

namespace mansio::smtp {

inline constexpr const char* test_certificate = R"(
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUMue/i2CAR16NNvQyrBCXcwGd+RYwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLc2VydmVyLnRlc3QwIBcNMjYxMTIyMTA0NDU5WhgPMjEyNjEw
MjkxMDQ0NTlaMBYxFDASBgNVBAMMC3NlcnZlci50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEvI1+lH84PKtc2tpmtdQBNM5Yg99RJoDbFXMwd5bmNqrjl/tM
/j9WgSgnpM2RxxbscxAigKCr+mMIuEMq7mctdKNrMGkwHQYDVR0OBBYEFLtSOR9O
VNj+EE/xZ53DQPGQhTzuMB8GA1UdIwQYMBaAFLtSOR9OVNj+EE/xZ53DQPGQhTzu
MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILc2VydmVyLnRlc3QwCgYIKoZI
zj0EAwIDRwAwRAIgV7PDaKzgIpdEusr8Ihpn9sB6EBHDxJk5gW8juIq9R9YCIFTU
modUtlS222bytmkm+pS06aNFRpMGICoyRP5g9w/A
-----END CERTIFICATE-----
)";

inline constexpr const char* test_key = R"(
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgI5VdfENH4S2SL5O8
B0rLO8o2oKyE5Uz4a1bfU1tqIoWhRANCAAS8jX6Ufzg8q1za2ma11AE0zliD31Em
gNsVczB3luY2quOX+0z+P1aBKCekzZHHFuxzECKAoKv6Ywi4QyruZy10
-----END PRIVATE KEY-----
)";

inline std::shared_ptr<const net::TlsServer> test_tls_server() {
  net::TlsServerOptions options;
  options.identities.emplace_back();
  options.identities.back().file = "server.test";
  options.identities.back().chain = test_certificate;
  options.identities.back().key = test_key;
  auto made = net::TlsServer::make(options);
  if (!made) throw std::runtime_error(made.error().text());
  return *made;
}

inline std::shared_ptr<const net::TlsClient> test_tls_client() {
  net::TlsClientOptions options;
  options.authorities = test_certificate;
  auto made = net::TlsClient::make(options);
  if (!made) throw std::runtime_error(made.error().text());
  return *made;
}

}  // namespace mansio::smtp
