#include "net/certificate.hpp"

#include <catch2/catch.hpp>

#include "net/test_certificates.hpp"

using namespace mansio::net;

TEST_CASE("what a certificate file tells without its key") {
  TestCertificate wish("mx.ex.test");
  wish.names.emplace_back("*.wild.test");
  auto identity = make_test_identity(wish);
  auto facts = read_certificate_facts("x.pem", identity.chain, test_authority());
  REQUIRE(facts);
  CHECK(facts->names == std::vector<std::string>{"mx.ex.test", "*.wild.test"});
  CHECK(facts->problem.empty());
  CHECK(facts->key_digest.size() == 32);
  auto days = std::chrono::duration_cast<std::chrono::hours>(facts->expires - std::chrono::system_clock::now()).count() / 24;
  CHECK((days == 89 || days == 90));
  // The key makes the digest, not the certificate.
  auto renewed = read_certificate_facts("x.pem", make_test_identity(TestCertificate("other.test")).chain, test_authority());
  REQUIRE(renewed);
  CHECK(renewed->key_digest == facts->key_digest);
}

TEST_CASE("a certificate's names, one label for a star") {
  CertificateFacts facts;
  facts.names = {"mx.ex.test", "*.wild.test"};
  for (auto [host, has] : std::vector<std::pair<const char*, bool>>{{"mx.ex.test", true}, {"MX.ex.test", true}, {"a.wild.test", true}, {"wild.test", false},
                                                                    {"a.b.wild.test", false}, {"ex.test", false}, {"", false}, {"test", false}}) {
    INFO(host);
    CHECK(certificate_has_name(facts, host) == has);
  }
}

TEST_CASE("a chain that nobody can follow, one that has expired, and a file without any") {
  TestCertificate stranger("mx.ex.test");
  stranger.stranger = true;
  auto facts = read_certificate_facts("x.pem", make_test_identity(stranger).chain, test_authority());
  REQUIRE(facts);
  CHECK(facts->problem == "unable to get local issuer certificate");
  TestCertificate old("mx.ex.test");
  old.from = std::chrono::hours(-48);
  old.until = std::chrono::hours(-1);
  facts = read_certificate_facts("x.pem", make_test_identity(old).chain, test_authority());
  REQUIRE(facts);
  CHECK(facts->problem == "certificate has expired");
  auto none = read_certificate_facts("x.pem", "nothing", "");
  REQUIRE(!none);
  CHECK(none.error().text() == "x.pem: no certificate in it");
}

TEST_CASE("a certificate that never expires is good for as long as dates go") {
  TestCertificate wish("mx.ex.test");
  // RFC 5280 section 4.1.2.5: no well-defined expiration date. Nanoseconds since 1970 end in 2262.
  for (const char* date : {"99991231235959Z", "29261029212459Z", "22620412000000Z"}) {
    INFO(date);
    wish.until_date = date;
    auto facts = read_certificate_facts("x.pem", make_test_identity(wish).chain, test_authority());
    REQUIRE(facts);
    CHECK(facts->problem.empty());
    CHECK(facts->expires > std::chrono::system_clock::now() + std::chrono::hours(24 * 365 * 200));
  }
}
