#include <catch2/catch.hpp>

#include "net/session_pair.hpp"
#include "net/tls_tickets.hpp"

namespace mansio::net {
namespace {

struct Resumption {
  std::shared_ptr<TlsTickets> tickets = make_tls_tickets();
  TlsIdentity identity = make_test_identity(TestCertificate("mail.example.org"));
  std::shared_ptr<const TlsClient> client = make_client(client_options());
  TlsRequest request;

  Resumption() { request.resume = "here"; }
  std::shared_ptr<const TlsServer> server(const std::string& service, bool ask = false) const {
    TlsServerOptions options;
    options.identities.push_back(identity);
    options.service = service;
    options.tickets = tickets;
    options.ask_certificate = ask;
    return make_server(options);
  }
  // "full" or "resumed", as both ends say.
  std::string meet(const std::shared_ptr<const TlsServer>& to) const {
    SessionPair pair(to, client, request);
    if (!pair.shake()) return "no handshake: " + pair.client_error + pair.server_error;
    pair.client->seal("a");
    pair.server->seal("b");
    pair.move();
    if (pair.to_server != "a" || pair.to_client != "b") return "deaf";
    if (pair.server->info().resumed != pair.client->info().resumed) return "at odds";
    return pair.server->info().resumed ? "resumed" : "full";
  }
};

}  // namespace

TEST_CASE("a session is resumed, again and again, in both versions") {
  for (bool old : {false, true}) {
    Resumption it;
    if (old) only_tls12(*it.client);
    auto server = it.server("relay 25");
    CHECK(it.meet(server) == "full");
    CHECK(it.meet(server) == "resumed");
    CHECK(it.meet(server) == "resumed");
    CHECK(it.meet(it.server("relay 25")) == "resumed");      // renewed certificates do not matter
  }
}

TEST_CASE("a ticket is refused by another service") {
  for (bool old : {false, true}) {
    Resumption it;
    if (old) only_tls12(*it.client);
    auto relay = it.server("relay 25"), submission = it.server("submission 587");
    CHECK(it.meet(relay) == "full");
    CHECK(it.meet(submission) == "full");
    CHECK(it.meet(submission) == "resumed");
    CHECK(it.meet(relay) == "full");
  }
}

TEST_CASE("a ticket sealed with keys of another process is refused") {
  Resumption it;
  CHECK(it.meet(it.server("relay 25")) == "full");
  it.tickets = make_tls_tickets();
  CHECK(it.meet(it.server("relay 25")) == "full");
  CHECK(it.meet(it.server("relay 25")) == "resumed");
  it.tickets = nullptr;
  CHECK(it.meet(it.server("relay 25")) == "full");
  CHECK(it.meet(it.server("relay 25")) == "full");
}

TEST_CASE("a session of TLS 1.2 is not taken into a server that has only 1.3") {
  Resumption it;
  only_tls12(*it.client);
  CHECK(it.meet(it.server("relay 25")) == "full");
  SSL_CTX_set_max_proto_version(it.client->context().lax.get(), 0);
  TlsServerOptions options;
  options.identities.push_back(it.identity);
  options.service = "relay 25";
  options.tickets = it.tickets;
  options.rules.least = TlsVersion::tls13;
  auto newer = make_server(options);
  CHECK(it.meet(newer) == "full");
  CHECK(it.meet(newer) == "resumed");
}

TEST_CASE("sessions are kept apart by what they are for and what was asked of them") {
  Resumption it;
  auto server = it.server("relay 25");
  CHECK(it.meet(server) == "full");
  it.request.resume = "elsewhere";
  CHECK(it.meet(server) == "full");
  it.request.names = {"mail.example.org"};
  CHECK(it.meet(server) == "full");
  it.request.verify = true;
  CHECK(it.meet(server) == "full");
  CHECK(it.meet(server) == "resumed");
  it.request.names = {"other.example.org"};
  CHECK(it.meet(server) == "no handshake: TLS handshake: certificate verify failed (hostname mismatch)TLS handshake: sslv3 alert bad certificate");
  it.request = TlsRequest();
  CHECK(it.meet(server) == "full");
  CHECK(it.meet(server) == "full");
}

TEST_CASE("a resumed session knows the certificates and the channel bindings") {
  for (bool old : {false, true}) {
    Resumption it;
    if (old) only_tls12(*it.client);
    auto server = it.server("relay 25");
    it.request.names = {"mail.example.org"};
    CHECK(it.meet(server) == "full");
    for (int i = 0; i < 2; ++i) {
      SessionPair pair(server, it.client, it.request);
      REQUIRE(pair.shake());
      CHECK(pair.client->info().resumed);
      CHECK(pair.client->info().verified);
      CHECK(pair.client->info().subject == "CN=test");
      CHECK(pair.client->server_end_point().size() == 32);
      CHECK(pair.client->server_end_point() == pair.server->server_end_point());
      CHECK(pair.client->exporter() == pair.server->exporter());
    }
  }
}

TEST_CASE("a client's certificate comes with its ticket") {
  Resumption it;
  auto options = client_options();
  options.identity = make_test_identity(TestCertificate("client.example.org"));
  it.client = make_client(options);
  TlsServerOptions asking;
  asking.identities.push_back(it.identity);
  asking.ask_certificate = true;
  asking.authorities = test_authority();
  asking.tickets = it.tickets;
  auto server = make_server(asking);
  CHECK(it.meet(server) == "full");
  SessionPair pair(server, it.client, it.request);
  REQUIRE(pair.shake());
  CHECK(pair.server->info().resumed);
  CHECK(pair.server->info().verified);
  CHECK(pair.server->info().subject == "CN=test");
}

TEST_CASE("who was given the same keys resumes what another began, and the newest of them seals") {
  Resumption it;
  auto others = make_tls_tickets();
  std::string old(ticket_key_size, 'o'), fresh(ticket_key_size, 'f');
  for (TlsTickets* each : {it.tickets.get(), others.get()}) {
    take_ticket_key(*each, fresh, Duration(0));
    take_ticket_key(*each, old, std::chrono::minutes(60));
    take_ticket_key(*each, "too short", Duration(0));
  }
  CHECK(it.meet(it.server("relay 25")) == "full");
  it.tickets = others;
  CHECK(it.meet(it.server("relay 25")) == "resumed");
  // Whoever has the newest alone opens what was sealed.
  auto newest = make_tls_tickets();
  take_ticket_key(*newest, fresh, Duration(0));
  it.tickets = newest;
  CHECK(it.meet(it.server("relay 25")) == "resumed");
  it.tickets = make_tls_tickets();
  CHECK(it.meet(it.server("relay 25")) == "full");
}

TEST_CASE("the keys change every hour, and the old ones are good for as long as their tickets") {
  MonotonicTime now{};
  Resumption it;
  it.tickets = std::make_shared<TlsTickets>([&now] { return now; });
  auto server = it.server("relay 25");
  auto meet_later = [&](std::chrono::minutes later) {
    Resumption other;
    other.tickets = it.tickets;
    other.client = make_client(client_options());
    CHECK(other.meet(server) == "full");
    now += later;
    return other.meet(server);
  };
  CHECK(meet_later(std::chrono::minutes(0)) == "resumed");
  CHECK(meet_later(std::chrono::minutes(59)) == "resumed");
  CHECK(meet_later(std::chrono::minutes(61)) == "resumed");
  CHECK(meet_later(std::chrono::minutes(120)) == "resumed");
  CHECK(meet_later(std::chrono::minutes(181)) == "full");
}

TEST_CASE("the client forgets the session that was used least lately") {
  TlsSessionCache cache;
  auto client = make_client(client_options());
  Resumption it;
  CHECK(it.meet(it.server("relay 25")) == "full");
  auto session = it.client->context().sessions.find("here\nopportunistic\n");
  REQUIRE(session);
  auto put = [&](const std::string& key) {
    SSL_SESSION_up_ref(session.get());
    cache.put(key, Owned<SSL_SESSION>(session.get()));
  };
  for (int i = 0; i < 1000; ++i) put(std::to_string(i));
  CHECK(cache.find("0"));
  put("0");
  put("1000");
  CHECK(cache.size() == 1000);
  CHECK(cache.find("0"));
  CHECK_FALSE(cache.find("1"));
  CHECK(cache.find("2"));
  cache.forget("2");
  cache.forget("never there");
  CHECK_FALSE(cache.find("2"));
  CHECK(cache.size() == 999);
}

}  // namespace mansio::net
