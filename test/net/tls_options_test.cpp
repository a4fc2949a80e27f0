#include <catch2/catch.hpp>

#include "net/session_pair.hpp"

namespace mansio::net {
namespace {

std::string complaint(const TlsServerOptions& options) {
  auto made = TlsServer::make(options);
  if (made) return "fine";
  CHECK(made.error().fault() == Fault::invalid);
  CHECK(made.error().text().find('\n') == std::string::npos);
  return made.error().text();
}

std::string without_line(std::string text, std::size_t line) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < line; ++i) at = text.find('\n', at) + 1;
  return text.erase(at, text.find('\n', at) + 1 - at);
}

}  // namespace

TEST_CASE("what is wrong with a certificate's files is said in one line") {
  TestCertificate wish("mail.example.org"), rsa("mail.example.org"), other("mail.example.org");
  rsa.key = TestKey::rsa;
  other.key = TestKey::other_ecdsa;
  auto good = make_test_identity(wish), good_rsa = make_test_identity(rsa), stranger = make_test_identity(other);
  struct Row {
    std::string chain, key, said;
  };
  const Row rows[] = {
      {good.chain, good.key, "fine"},
      {good.chain + stranger.chain, good.key, "fine"},
      {"words before\n" + good.key + good.chain, good.key, "fine"},
      {good.chain, good.chain + good.key, "fine"},
      {"", good.key, "test.pem: no certificate in it"},
      {"hello\n", good.key, "test.pem: no certificate in it"},
      {good.key, good.key, "test.pem: no certificate in it"},
      {good.chain.substr(0, good.chain.size() / 2), good.key, "test.pem: the certificate can't be read (bad end line)"},
      {without_line(good.chain, 3), good.key, "test.pem: the certificate can't be read (too long)"},
      {good.chain, "", "test.pem: no private key in it"},
      {good.chain, good.chain, "test.pem: no private key in it"},
      {good.chain, without_line(good.key, 2), "test.pem: the key can't be read (unsupported)"},
      {good.chain, stranger.key, "test.pem: the key does not belong to the certificate (key values mismatch)"},
      {good.chain, good_rsa.key, "test.pem: the key does not belong to the certificate (different key types)"},
      {good.chain, encrypted_test_key(TestKey::ecdsa), "test.pem: the key is encrypted, and nobody is there to be asked for its passphrase"}};
  for (auto& row : rows) {
    TlsServerOptions options;
    TlsIdentity identity;
    identity.file = "test.pem";
    identity.chain = row.chain;
    identity.key = row.key;
    options.identities.push_back(identity);
    CHECK(complaint(options) == row.said);
    TlsClientOptions client;
    client.identity = identity;
    auto made = TlsClient::make(client);
    CHECK((made ? "fine" : made.error().text()) == row.said);
  }
}

TEST_CASE("what is wrong with a setting is said in one line") {
  struct Row {
    const char *ciphers, *suites, *groups, *said;
  };
  const Row rows[] = {
      {"", "", "", "fine"},
      {"ECDHE+AESGCM:!aNULL:@SECLEVEL=2", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256", "P-256:X25519", "fine"},
      {"HIGH:!MD5, -kRSA", "", "", "fine"},
      {"ECDHE+AESGCM:ECDHX", "", "", "cipher \"ECDHX\" is none that OpenSSL knows"},
      {"nonsense", "", "", "cipher \"nonsense\" is none that OpenSSL knows"},
      {"", "TLS_AES_128_GCM_SHA256:TLS_AES_512", "", "cipher suite \"TLS_AES_512\" is none that OpenSSL knows"},
      {"", "", "X25519:P-255", "group in \"X25519:P-255\" is none that OpenSSL knows"}};
  for (auto& row : rows) {
    TlsServerOptions options;
    options.identities.push_back(make_test_identity(TestCertificate("mail.example.org")));
    options.rules.ciphers = row.ciphers;
    options.rules.cipher_suites = row.suites;
    options.rules.groups = row.groups;
    CHECK(complaint(options) == row.said);
  }
  CHECK(complaint(TlsServerOptions()) == "a TLS server needs a certificate");
}

TEST_CASE("authorities that are none are told") {
  TlsClientOptions options;
  options.authorities = "hello";
  auto made = TlsClient::make(options);
  REQUIRE_FALSE(made);
  CHECK(made.error().text() == "authorities: no certificate among them");
  options.authorities = "";
  CHECK(TlsClient::make(options));
}

TEST_CASE("a server tells its certificates' names and when they end, also of those that have") {
  TestCertificate wish;
  wish.names = {"Mail.Example.ORG", "*.example.net", "bad name"};
  wish.until = std::chrono::hours(24);
  TestCertificate bare;
  bare.common_name = "Old.example.org";
  bare.until = std::chrono::hours(-1);
  TlsServerOptions options;
  options.identities = {make_test_identity(wish), make_test_identity(bare)};
  auto server = make_server(options);
  REQUIRE(server->certificates().size() == 2);
  CHECK(server->certificates()[0].file == "test.pem");
  CHECK(server->certificates()[0].names == std::vector<std::string>{"mail.example.org", "*.example.net"});
  CHECK(server->certificates()[1].names == std::vector<std::string>{"old.example.org"});
  auto left = server->certificates()[0].expires - std::chrono::system_clock::now();
  CHECK(left > std::chrono::hours(23));
  CHECK(left <= std::chrono::hours(24));
}

TEST_CASE("versions and ciphers are what was set") {
  auto identity = make_test_identity(TestCertificate("mail.example.org"));
  auto meet = [&](const TlsRules& rules, const TlsClientOptions& from, bool old, bool verify = false) {
    TlsServerOptions options;
    options.identities.push_back(identity);
    options.rules = rules;
    auto client = make_client(from);
    if (old) only_tls12(*client);
    TlsRequest request;
    request.verify = verify;
    SessionPair pair(make_server(options), client, request);
    if (!pair.shake()) return "server: " + pair.server_error + "; client: " + pair.client_error;
    return pair.server->info().version + " " + pair.server->info().cipher;
  };
  TlsRules rules, newest, small, weak;
  newest.least = TlsVersion::tls13;
  small.cipher_suites = "TLS_AES_128_GCM_SHA256";
  small.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
  weak.ciphers = "ECDHE-ECDSA-AES128-SHA";
  CHECK(meet(rules, client_options(), false) == "TLS1.3 AES_256_GCM_SHA384");
  CHECK(meet(rules, client_options(), true) == "TLS1.2 ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
  CHECK(meet(newest, client_options(), true) == "server: TLS handshake: unsupported protocol; client: TLS handshake: tlsv1 alert protocol version");
  CHECK(meet(small, client_options(), false) == "TLS1.3 AES_128_GCM_SHA256");
  CHECK(meet(small, client_options(), true) == "TLS1.2 ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
  // Opportunistic clients take what they get; those that verify don't, and servers neither.
  CHECK(meet(weak, client_options(), true) == "TLS1.2 ECDHE_ECDSA_WITH_AES_128_CBC_SHA");
  CHECK(meet(weak, client_options(), true, true) == "server: TLS handshake: no shared cipher; client: TLS handshake: sslv3 alert handshake failure");
  auto only_weak = client_options();
  only_weak.rules.ciphers = "AES128-SHA:ECDHE-ECDSA-AES128-SHA";
  CHECK(meet(rules, only_weak, true) == "server: TLS handshake: no shared cipher; client: TLS handshake: sslv3 alert handshake failure");
  auto other_group = client_options();
  other_group.rules.groups = "P-521";
  CHECK(meet(rules, other_group, false) == "server: TLS handshake: no suitable key share; client: TLS handshake: sslv3 alert handshake failure");
}

}  // namespace mansio::net
