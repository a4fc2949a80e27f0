// Certificates for tests, made on the spot: one authority for each process, leaves of both key types, good and bad.
// Keys are made once and shared, because RSA takes its time.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "net/tls.hpp"

namespace mansio::net {

enum class TestKey { ecdsa, rsa, other_ecdsa, other_rsa, ed25519 };

struct TestCertificate {
  TestCertificate() = default;
  explicit TestCertificate(std::string name) : names{std::move(name)} {}
  std::string common_name = "test";
  std::vector<std::string> names, addresses;      // DNS names and IP addresses of the subject
  TestKey key = TestKey::ecdsa;
  std::chrono::hours from{-24}, until{24 * 90};   // from now
  const char* digest = "SHA256";
  std::string until_date;                         // instead of `until`: a GeneralizedTime, "99991231235959Z"
  bool self_signed = false;
  bool stranger = false;                          // signed by an authority that nobody trusts
};

// `file` of it is "test.pem"; the chain is the certificate alone.
TlsIdentity make_test_identity(const TestCertificate& wish);
// The authority that signs them, PEM.
std::string test_authority();

struct TestStaple {
  TestStaple() = default;
  bool revoked = false;
  bool dated = true;                              // has a nextUpdate
  std::chrono::hours from{-1}, until{24};
};
// An OCSP response for the first certificate of `identity`, DER.
std::string make_test_staple(const TlsIdentity& identity, const TestStaple& wish);

// Its key under a passphrase, PEM.
std::string encrypted_test_key(TestKey key);
std::string test_key_pem(TestKey key);

}  // namespace mansio::net
