// A certificate chain with its key, read from PEM and found to fit together; and what can be told of certificates.
// Private to this room.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "net/openssl.hpp"
#include "net/tls.hpp"

namespace mansio::net {

struct TlsMaterial {
  std::string file;
  Owned<X509> leaf;
  Owned<STACK_OF(X509)> chain;       // the others, as the file has them
  Owned<EVP_PKEY> key;
  std::vector<std::string> names;    // DNS names, lower case
  Time expires{};
  std::string end_point;             // its channel binding, see end_point_digest
  std::string staple;                // DER; "" when there is none that may be sent
  Time staple_expires{};
};

// Fault::invalid: "FILE: what is wrong with it".
Result<TlsMaterial> read_material(const TlsIdentity& identity);
// The same of the chain alone: no key is asked for, and there is no end_point and no staple.
Result<TlsMaterial> read_certificates(const TlsIdentity& identity);
// Certificates to trust, PEM, or the system's when `pem` is empty.
Result<Owned<X509_STORE>> read_authorities(std::string_view pem);

// RFC 5929 §4.1: the certificate under the digest of its signature, SHA-256 where that is MD5 or SHA-1; "" where the
// signature has none (Ed25519).
std::string end_point_digest(X509* certificate);

Time to_time(const ASN1_TIME* time);

// The staple for `leaf`, when it says "good" and is in date at this time: until when. Else nullopt.
std::optional<Time> staple_expiry(std::string_view der, X509* leaf);

}  // namespace mansio::net
