#include <catch2/catch.hpp>

#include "net/tls_pair.hpp"

namespace mansio::net {
namespace {

std::string payload(std::size_t size) {
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}

}  // namespace

TEST_CASE("a handshake, and a line each way") {
  TlsPair pair;
  TestCertificate wish("mail.example.org");
  REQUIRE(pair.start(make_server(wish), make_client(client_options())));
  CHECK(pair.talk() == "from client, from server");
  CHECK(pair.client->tls()->version == "TLS1.3");
  CHECK(pair.client->tls()->cipher == "AES_256_GCM_SHA384");
  CHECK(pair.client->tls()->bits == 256);
  CHECK(pair.client->tls()->verified);
  CHECK(pair.client->tls()->subject == "CN=test");
  CHECK(pair.client->tls()->issuer == "CN=Test authority");
  CHECK(pair.client->tls()->fingerprint.size() == 64);
  CHECK(pair.server->tls()->version == "TLS1.3");
  CHECK_FALSE(pair.server->tls()->peer_certificate);
}

TEST_CASE("a megabyte each way at once") {
  TlsPair pair;
  TestCertificate wish("mail.example.org");
  REQUIRE(pair.start(make_server(wish), make_client(client_options())));
  std::string text = payload(1 << 20), to_server, to_client;
  pair.run(TlsPair::say(&*pair.client, text, nullptr), TlsPair::hear(&*pair.server, text.size(), &to_server));
  pair.run(TlsPair::say(&*pair.server, text, nullptr), TlsPair::hear(&*pair.client, text.size(), &to_client));
  CHECK(to_server == text);
  CHECK(to_client == text);
}

}  // namespace mansio::net
