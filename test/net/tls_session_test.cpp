#include <catch2/catch.hpp>

#include "net/session_pair.hpp"
#include <openssl/pem.h>

namespace mansio::net {
namespace {

TestCertificate certificate(std::string name, TestKey key = TestKey::ecdsa) {
  TestCertificate wish(std::move(name));
  wish.key = key;
  return wish;
}

std::shared_ptr<const TlsServer> server_with(const std::vector<TestCertificate>& wishes) {
  TlsServerOptions options;
  for (auto& wish : wishes) {
    options.identities.push_back(make_test_identity(wish));
    options.identities.back().file = wish.common_name;
  }
  return make_server(options);
}

// The common name of the certificate a client is shown.
std::string shown(std::shared_ptr<const TlsServer> server, const std::string& server_name, const char* ciphers = "") {
  TlsClientOptions options = client_options();
  options.rules.ciphers = ciphers;
  auto client = make_client(options);
  if (*ciphers != '\0') only_tls12(*client);
  TlsRequest request;
  request.server_name = server_name;
  SessionPair pair(std::move(server), std::move(client), request);
  if (!pair.shake()) return "no handshake: " + pair.client_error + pair.server_error;
  return pair.client->info().subject;
}

TestCertificate named(std::string common_name, std::vector<std::string> names, TestKey key = TestKey::ecdsa) {
  TestCertificate wish;
  wish.common_name = std::move(common_name);
  wish.names = std::move(names);
  wish.key = key;
  return wish;
}

}  // namespace

TEST_CASE("the certificate is chosen by the name the client asks for") {
  auto server = server_with({named("first", {"mail.example.org"}), named("second", {"MX.example.net", "*.wild.example"}),
                             named("third", {"exact.wild.example"}), named("partial", {"m*.part.example"})});
  struct Row {
    const char* asked;
    const char* shown;
  };
  const Row rows[] = {{"", "CN=first"},
                      {"mail.example.org", "CN=first"},
                      {"mx.example.net", "CN=second"},
                      {"Mx.Example.NET", "CN=second"},
                      {"mx.example.net.", "CN=second"},
                      {"a.wild.example", "CN=second"},
                      {"exact.wild.example", "CN=third"},
                      {"a.b.wild.example", "CN=first"},
                      {"wild.example", "CN=first"},
                      {".wild.example", "CN=first"},
                      {"mx.part.example", "CN=first"},
                      {"unknown.example", "CN=first"},
                      {"127.0.0.1", "CN=first"},
                      {"localhost", "CN=first"}};
  for (auto& row : rows) {
    INFO(row.asked);
    CHECK(shown(server, row.asked) == row.shown);
  }
}

TEST_CASE("ECDSA and RSA stand side by side, and the client's abilities decide") {
  auto server = server_with({named("rsa", {"mail.example.org"}, TestKey::rsa), named("ecdsa", {"mail.example.org"}),
                             named("other", {"other.example.org"}, TestKey::other_rsa)});
  CHECK(shown(server, "") == "CN=ecdsa");
  CHECK(shown(server, "mail.example.org") == "CN=ecdsa");
  CHECK(shown(server, "mail.example.org", "ECDHE-RSA-AES128-GCM-SHA256") == "CN=rsa");
  CHECK(shown(server, "", "ECDHE-RSA-AES128-GCM-SHA256") == "CN=rsa");
  CHECK(shown(server, "", "ECDHE-ECDSA-AES128-GCM-SHA256") == "CN=ecdsa");
  CHECK(shown(server, "other.example.org", "ECDHE-RSA-AES128-GCM-SHA256") == "CN=other");
}

TEST_CASE("a name that is none is as good as absent, and never told on") {
  auto server = server_with({named("first", {"mail.example.org"}), named("second", {"mx.example.net"})});
  SessionPair pair(server, make_client(client_options()));
  SSL_set_tlsext_host_name(pair.client->raw(), "mx.example.net\\");
  REQUIRE(pair.shake());
  CHECK(pair.server->info().server_name == "");
  CHECK(pair.client->info().subject == "CN=first");
}

TEST_CASE("a name with a NUL in it ends the handshake") {
  auto server = server_with({named("first", {"mail.example.org"})});
  TlsRequest request;
  request.server_name = "mail.example.org";
  SessionPair pair(server, make_client(client_options()), request);
  SessionPair::feed(*pair.client, "", pair.to_client, pair.client_error);
  std::string hello = SessionPair::take(*pair.client);
  auto at = hello.find("mail.example.org");
  REQUIRE(at != std::string::npos);
  hello[at + 4] = '\0';
  auto done = pair.server->handshake(hello);
  REQUIRE_FALSE(done);
  CHECK(done.error().fault() == Fault::denied);
  CHECK(done.error().text() == "TLS handshake: bad extension");
  CHECK(pair.server->output().size() == 7);      // an alert
}

TEST_CASE("the server's name as the client sent it is told") {
  auto server = server_with({named("first", {"mail.example.org"})});
  TlsRequest request;
  request.server_name = "Unknown_1.example.org";
  SessionPair pair(server, make_client(client_options()), request);
  REQUIRE(pair.shake());
  CHECK(pair.server->info().server_name == "Unknown_1.example.org");
  CHECK(pair.client->info().server_name == "Unknown_1.example.org");
}

TEST_CASE("a client that names other protocols than mail's is refused") {
  auto server = server_with({named("first", {"mail.example.org"})});
  struct Row {
    std::string offered;
    bool taken;
  };
  const Row rows[] = {{std::string("\x08http/1.1"), false}, {std::string("\x02h2\x08http/1.1"), false}, {std::string("\x04smtp"), true},
                      {std::string("\x02h2\x05" "esmtp"), true}};
  for (auto& row : rows) {
    SessionPair pair(server, make_client(client_options()));
    SSL_set_alpn_protos(pair.client->raw(), reinterpret_cast<const unsigned char*>(row.offered.data()), static_cast<unsigned>(row.offered.size()));
    CHECK(pair.shake() == row.taken);
    if (!row.taken) CHECK(pair.client_error == "TLS handshake: tlsv1 alert no application protocol");
  }
}

TEST_CASE("KeyUpdates are answered, and too many of them end the session") {
  auto server = server_with({named("first", {"mail.example.org"})});
  SessionPair pair(server, make_client(client_options()));
  REQUIRE(pair.shake());
  REQUIRE(SSL_key_update(pair.client->raw(), SSL_KEY_UPDATE_REQUESTED) == 1);
  pair.client->seal("one\r\n");
  pair.server->open(SessionPair::take(*pair.client));
  CHECK(SSL_get_key_update_type(pair.server->raw()) == SSL_KEY_UPDATE_NOT_REQUESTED);      // ours goes before our next data
  pair.server->seal("two\r\n");
  CHECK(SSL_get_key_update_type(pair.server->raw()) == SSL_KEY_UPDATE_NONE);
  pair.move();
  CHECK(pair.to_client == "two\r\n");
  for (int i = 0; i < 1001 && !pair.server->ended(); ++i) {
    SSL_key_update(pair.client->raw(), SSL_KEY_UPDATE_NOT_REQUESTED);
    pair.client->seal("x");
    pair.move();
  }
  CHECK(pair.server->ended());
  CHECK(pair.server->failure().text() == "TLS: too many messages without data");
}

TEST_CASE("a changed record ends the session after what came before it") {
  auto server = server_with({named("first", {"mail.example.org"})});
  SessionPair pair(server, make_client(client_options()));
  REQUIRE(pair.shake());
  pair.client->seal("good");
  std::string wire = SessionPair::take(*pair.client);
  pair.client->seal("bad");
  std::string broken = SessionPair::take(*pair.client);
  broken.back() = static_cast<char>(broken.back() ^ 1);
  CHECK(pair.server->open(wire + broken) == "good");
  CHECK(pair.server->ended());
  CHECK(pair.server->broken());
  CHECK(pair.server->failure().fault() == Fault::closed);
  CHECK(pair.server->failure().text() == "TLS: decryption failed or bad record mac");
  CHECK_FALSE(pair.server->output().empty());      // the alert
  SessionPair::take(*pair.server);
  CHECK(pair.server->seal("never") == "");
}

TEST_CASE("records that come octet by octet are opened when they are whole") {
  auto server = server_with({named("first", {"mail.example.org"})});
  SessionPair pair(server, make_client(client_options()));
  REQUIRE(pair.shake());
  pair.client->seal("some words");
  std::string wire = SessionPair::take(*pair.client), heard;
  for (char c : wire) {
    CHECK(heard.empty());
    heard += pair.server->open(std::string(1, c));
  }
  CHECK(heard == "some words");
}

TEST_CASE("a whole buffer of records, and one that was begun before, come out in one piece") {
  auto server = server_with({named("first", {"mail.example.org"})});
  SessionPair pair(server, make_client(client_options()));
  REQUIRE(pair.shake());
  std::string text(16384 * 6, 'x'), heard;
  pair.client->seal(text);
  std::string wire = SessionPair::take(*pair.client);
  heard += pair.server->open(wire.substr(0, 16000));
  heard += pair.server->open(wire.substr(16000, 65536));
  CHECK(heard.size() == 16384 * 4);      // the begun one and three more, and the fifth has begun
  heard += pair.server->open(wire.substr(16000 + 65536));
  CHECK(heard == text);
}

// RFC 9266, RFC 5929 §4.1.
TEST_CASE("both ends see the same channel bindings") {
  for (bool old : {false, true}) {
    auto client = make_client(client_options());
    if (old) only_tls12(*client);
    SessionPair pair(server_with({named("first", {"mail.example.org"})}), client);
    REQUIRE(pair.shake());
    CHECK(pair.client->info().version == (old ? "TLS1.2" : "TLS1.3"));
    CHECK(pair.client->info().cipher == (old ? "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" : "AES_256_GCM_SHA384"));
    CHECK(pair.client->exporter().size() == 32);
    CHECK(pair.client->exporter() == pair.server->exporter());
    CHECK(pair.client->server_end_point().size() == 32);
    CHECK(pair.client->server_end_point() == pair.server->server_end_point());
  }
}

TEST_CASE("without the extended master secret there is no exporter's binding in TLS 1.2") {
  auto client = make_client(client_options());
  only_tls12(*client);
  SSL_CTX_set_options(client->context().lax.get(), SSL_OP_NO_EXTENDED_MASTER_SECRET);
  SessionPair pair(server_with({named("first", {"mail.example.org"})}), client);
  REQUIRE(pair.shake());
  CHECK(pair.client->exporter() == "");
  CHECK(pair.server->exporter() == "");
  CHECK(pair.server->server_end_point().size() == 32);
}

TEST_CASE("the end point's digest is that of the certificate's signature, but never a weak one") {
  struct Row {
    const char* digest;
    TestKey key;
    const EVP_MD* expected;
  };
  const Row rows[] = {{"SHA256", TestKey::ecdsa, EVP_sha256()}, {"SHA384", TestKey::rsa, EVP_sha384()},  {"SHA512", TestKey::rsa, EVP_sha512()},
                      {"SHA1", TestKey::rsa, EVP_sha256()},     {"MD5", TestKey::rsa, EVP_sha256()},     {"", TestKey::ed25519, nullptr}};
  for (auto& row : rows) {
    TestCertificate wish("mail.example.org");
    wish.digest = row.digest;
    wish.key = row.key;
    wish.self_signed = true;
    auto identity = make_test_identity(wish);
    auto pem = memory_bio(identity.chain);
    Owned<X509> parsed(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
    REQUIRE(parsed);
    unsigned char expected[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (row.expected != nullptr) X509_digest(parsed.get(), row.expected, expected, &size);
    INFO(row.digest);
    CHECK(end_point_digest(parsed.get()) == std::string(reinterpret_cast<char*>(expected), size));
  }
}

TEST_CASE("a staple is given when it is good, in date and for the certificate") {
  auto identity = make_test_identity(certificate("mail.example.org"));
  auto other = make_test_identity(certificate("mail.example.org"));
  TestStaple good, revoked, old, undated, future;
  revoked.revoked = true;
  undated.dated = false;
  old.from = std::chrono::hours(-48);
  old.until = std::chrono::hours(-1);
  future.from = std::chrono::hours(1);
  struct Row {
    const char* what;
    std::string staple;
    bool given;
  };
  const Row rows[] = {{"good", make_test_staple(identity, good), true},
                      {"revoked", make_test_staple(identity, revoked), false},
                      {"out of date", make_test_staple(identity, old), false},
                      {"without an end", make_test_staple(identity, undated), false},
                      {"not yet", make_test_staple(identity, future), false},
                      {"of another", make_test_staple(other, good), false},
                      {"cut", make_test_staple(identity, good).substr(0, 50), false},
                      {"garbage", "hello", false},
                      {"none", "", false}};
  for (auto& row : rows) {
    TlsServerOptions options;
    options.identities.push_back(identity);
    options.identities.back().staple = row.staple;
    SessionPair pair(make_server(options), make_client(client_options()));
    SSL_set_tlsext_status_type(pair.client->raw(), TLSEXT_STATUSTYPE_ocsp);
    INFO(row.what);
    REQUIRE(pair.shake());
    const unsigned char* der = nullptr;
    long size = SSL_get_tlsext_status_ocsp_resp(pair.client->raw(), &der);
    CHECK((size > 0) == row.given);
    if (row.given) CHECK(std::string(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)) == row.staple);
  }
}

}  // namespace mansio::net
