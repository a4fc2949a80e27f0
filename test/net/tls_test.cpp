#include <catch2/catch.hpp>

#include "net/server_and_thread.hpp"

namespace mansio::net {
namespace {

std::string payload(std::size_t size) {
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}

event::Task<> start_and_take_pieces(Connection* connection, std::shared_ptr<const TlsServer> to, std::size_t take, std::string* out) {
  auto started = co_await connection->start_tls(std::move(to), test_deadline());
  while (started) {
    auto chunk = co_await connection->read_chunk(test_deadline());
    if (!chunk) {
      *out += fault_name(chunk.error());
      co_return;
    }
    std::string_view mine = chunk->substr(0, take);
    connection->unread(chunk->substr(mine.size()));
    *out += "[" + std::string(mine) + "]";
  }
}

event::Task<> start_write_and_linger(Connection* connection, std::shared_ptr<const TlsServer> to) {
  auto started = co_await connection->start_tls(std::move(to), test_deadline());
  auto written = co_await connection->write("221 bye\r\n", test_deadline());
  if (started && written) co_await connection->linger(test_deadline());
}

// In turns, a piece each way, so that both directions are full of data all the time.
event::Task<> say_and_hear(Connection* connection, std::string text, std::string* out) {
  constexpr std::size_t piece = 50000;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    auto part = std::string_view(text).substr(at, piece);
    auto written = co_await connection->write(part, test_deadline());
    if (!written) co_return;
    auto hearing = TlsPair::hear(connection, at + part.size(), out);
    co_await hearing;
  }
}

event::Task<> start_and_write(Connection* connection, std::shared_ptr<const TlsServer> to, std::string text) {
  auto started = co_await connection->start_tls(std::move(to), test_deadline());
  auto written = co_await connection->write(text, test_deadline());
  (void)written;
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
  to_server.clear();
  to_client.clear();
  // And at once: neither waits for the other to have read.
  std::string both_server, both_client;
  pair.run(say_and_hear(&*pair.client, text, &both_client), say_and_hear(&*pair.server, text, &both_server));
  CHECK(both_server == text);
  CHECK(both_client == text);
}

TEST_CASE("lines and chunks are as in clear text") {
  ServerAndThread it;
  std::vector<std::string> lines;
  it.run(start_and_read(&*it.server, mail_server(), &lines), [&] {
    it.shake();
    it.session->seal("one\r\ntwo\r\n" + std::string(5000, 'x') + "\r\nthr");
    it.send(it.output());
    it.session->seal("ee\r\n");
    it.send(it.output());
    it.session->close();
    it.send(it.output());
  });
  CHECK(lines == std::vector<std::string>{"one", "two", "too long", "three", "closed: TLS session closed by the peer"});
}

TEST_CASE("TLS goes octet by octet, too") {
  ServerAndThread it;
  std::vector<std::string> lines;
  it.run(start_and_read(&*it.server, mail_server(), &lines), [&] {
    it.shake(1);
    it.session->seal("one\r\ntwo\r\n");
    it.session->close();
    it.send(it.output(), 1);
  });
  CHECK(lines == std::vector<std::string>{"one", "two", "closed: TLS session closed by the peer"});
}

TEST_CASE("what is not used of a chunk comes again from TLS") {
  ServerAndThread it;
  std::string pieces;
  it.run(start_and_take_pieces(&*it.server, mail_server(), 3, &pieces), [&] {
    it.shake();
    it.session->seal("abcdefgh");
    it.session->close();
    it.send(it.output());
  });
  CHECK(pieces == "[abc][def][gh]closed: TLS session closed by the peer");
}

TEST_CASE("what comes with the end of the handshake is not lost") {
  for (bool old : {false, true}) {
    ServerAndThread it;
    if (old) SSL_set_max_proto_version(it.session->raw(), TLS1_2_VERSION);
    std::vector<std::string> lines;
    it.run(start_and_read(&*it.server, mail_server(), &lines), [&] {
      std::string wire;
      for (;;) {
        auto done = it.session->handshake(wire);
        if (done && *done) it.session->seal("EHLO early\r\n");
        it.send(it.output());
        if (!done || *done) break;
        wire = it.receive();
      }
      it.session->close();
      it.send(it.output());
    });
    CHECK(lines == std::vector<std::string>{"EHLO early", "closed: TLS session closed by the peer"});
  }
}

TEST_CASE("a connection that ends in the middle of a line or a record gives nothing of it") {
  for (std::size_t cut : {0U, 1U, 10U}) {
    ServerAndThread it;
    std::vector<std::string> lines;
    it.run(start_and_read(&*it.server, mail_server(), &lines), [&] {
      it.shake();
      it.session->seal("whole\r\n");
      it.send(it.output());
      it.session->seal("DATA that ends ear");
      std::string wire = it.output();
      it.send(wire.substr(0, wire.size() - cut));
      ::shutdown(it.fd.get(), SHUT_WR);
    });
    CHECK(lines == std::vector<std::string>{"whole", "closed: connection closed by the peer"});
  }
}

TEST_CASE("nothing is read behind close_notify") {
  ServerAndThread it;
  std::vector<std::string> lines;
  it.run(start_and_read(&*it.server, mail_server(), &lines), [&] {
    it.shake();
    it.session->seal("one\r\nhalf");
    it.session->close();
    it.send(it.output() + "garbage or a second session");
  });
  CHECK(lines == std::vector<std::string>{"one", "closed: TLS session closed by the peer"});
}

TEST_CASE("a peer that reads nothing is waited for only so long, and interrupt ends the waiting") {
  TlsPair pair;
  REQUIRE(pair.start(mail_server(), make_client(client_options())));
  std::string outcome;
  pair.on.run(write_for(&*pair.server, 8 << 20, Duration(50), &outcome));
  CHECK(outcome == "timed out");
  outcome.clear();
  pair.on.scope.spawn(write_for(&*pair.client, 8 << 20, Duration(20000), &outcome));
  CHECK(outcome == "");
  pair.client->interrupt();
  CHECK(outcome == "cancelled");
}

TEST_CASE("finish can be overcome within TLS, and the line under way goes on") {
  TlsPair pair;
  REQUIRE(pair.start(mail_server(), make_client(client_options())));
  std::string line;
  pair.on.scope.spawn(TlsPair::hear_line(&*pair.server, &line));
  pair.on.run(TlsPair::say(&*pair.client, "on", nullptr));
  pair.server->finish();
  CHECK(line == "error: stopped");
  CHECK(pair.server->resume());
  pair.run(TlsPair::say(&*pair.client, "e\r\n", nullptr), TlsPair::hear_line(&*pair.server, &line));
  CHECK(line == "one");
}

TEST_CASE("session tickets are no words, but words and the end are") {
  TlsPair pair;
  REQUIRE(pair.start(mail_server(), make_client(client_options())));
  CHECK(pair.client->quiet());
  CHECK_FALSE(pair.client->input_waiting());
  CHECK(pair.talk() == "from client, from server");
  CHECK(pair.client->quiet());
  pair.on.run(TlsPair::say(&*pair.server, "421 leaving\r\n", nullptr));
  CHECK(pair.client->input_waiting());
  CHECK_FALSE(pair.client->quiet());
  CHECK(pair.client->has_input());
  std::string line;
  pair.on.run(TlsPair::hear_line(&*pair.client, &line));
  CHECK(line == "421 leaving");
  CHECK(pair.client->quiet());
  pair.server.reset();
  CHECK_FALSE(pair.client->quiet());
  CHECK_FALSE(pair.client->input_waiting());
}

TEST_CASE("a connection that is closed without a word takes leave all the same") {
  ServerAndThread it;
  it.run(start_and_write(&*it.server, mail_server(), "250 ok\r\n"), [&] {
    it.shake();
    if (it.hear(8) != "250 ok\r\n") it.fd.reset();
  });
  it.server.reset();
  CHECK(it.hear(1) == "");
  CHECK(it.session->ended());
  CHECK_FALSE(it.session->broken());
  CHECK(it.session->failure().text() == "TLS session closed by the peer");
}

TEST_CASE("linger says goodbye and hears the other out") {
  ServerAndThread it;
  std::string heard, after;
  it.run(start_write_and_linger(&*it.server, mail_server()), [&] {
    it.shake();
    heard = it.hear(1000);      // up to the end
    it.session->seal("still talking\r\n");
    it.send(it.output());
    it.fd.reset();
  });
  CHECK(heard == "221 bye\r\n");
  CHECK(it.session->ended());
  CHECK_FALSE(it.session->broken());
}

}  // namespace mansio::net
