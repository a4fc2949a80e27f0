#include <catch2/catch.hpp>

#include <poll.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "net/session_pair.hpp"
#include "net/tls_pair.hpp"

namespace mansio::net {
namespace {

std::string payload(std::size_t size) {
  std::string out(size, ' ');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return out;
}

using event::Deadline;

std::shared_ptr<const TlsServer> mail_server(bool tickets = true) {
  TlsServerOptions options;
  options.identities.push_back(make_test_identity(TestCertificate("mail.example.org")));
  if (tickets) options.tickets = make_tls_tickets();
  return make_server(options);
}

// A server's connection on the loop, and a client in a thread that does as the test says, with blocking calls.
struct ServerAndThread {
  event::OnLoop on;
  std::optional<Connection> server;
  UniqueFd fd;                                  // the client's end
  std::unique_ptr<TlsSession> session;          // of the client

  ServerAndThread() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    auto stream = event::Stream::adopt(on.loop, UniqueFd(ends[0]), true);
    server.emplace(std::move(*stream));
    fd.reset(ends[1]);
    auto made = TlsSession::of(make_client(client_options()), TlsRequest());
    session = std::move(*made);
  }
  void run(event::Task<> on_server, std::function<void()> on_client) {
    std::thread thread(std::move(on_client));
    on.run(std::move(on_server));
    thread.join();
  }

  // For the client's thread.
  void send(std::string_view bytes, std::size_t piece = 1 << 20) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      auto one = bytes.substr(0, piece);
      if (::send(fd.get(), one.data(), one.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(one.size())) return;
    }
  }
  std::string receive() {
    std::string out(65536, ' ');
    auto n = ::recv(fd.get(), out.data(), out.size(), 0);
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }
  std::string output() { return SessionPair::take(*session); }
  void shake(std::size_t piece = 1 << 20) {
    std::string wire;
    for (;;) {
      auto done = session->handshake(wire);
      send(output(), piece);
      if (!done || *done) return;
      wire = receive();
      if (wire.empty()) return;
    }
  }
  std::string hear(std::size_t octets) {
    std::string out(session->open(session->rest()));
    while (out.size() < octets) {
      std::string wire = receive();
      if (wire.empty()) break;
      out += session->open(wire);
    }
    return out;
  }
};

std::string fault_name(const Error& error) {
  switch (error.fault()) {
    case Fault::denied: return "denied: " + error.text();
    case Fault::closed: return "closed: " + error.text();
    case Fault::timed_out: return "timed out";
    case Fault::cancelled: return "cancelled";
    case Fault::too_long: return "too long";
    case Fault::invalid: return "invalid: " + error.text();
    default: return "other: " + error.text();
  }
}

event::Task<> start_within(Connection* connection, std::shared_ptr<const TlsServer> to, Duration limit, std::string* out) {
  auto started = co_await connection->start_tls(std::move(to), Deadline::in(limit));
  *out = started ? "started" : fault_name(started.error());
}

// Starts TLS, then lines until the end.
event::Task<> start_and_read(Connection* connection, std::shared_ptr<const TlsServer> to, std::vector<std::string>* out) {
  auto started = co_await connection->start_tls(std::move(to), test_deadline());
  if (!started) {
    out->push_back(fault_name(started.error()));
    co_return;
  }
  for (;;) {
    auto line = co_await connection->read_line(100, test_deadline());
    out->push_back(line ? std::string(*line) : fault_name(line.error()));
    if (!line && line.error().fault() != Fault::too_long) co_return;
  }
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

event::Task<> read_line_then_start(Connection* connection, std::shared_ptr<const TlsServer> to, std::vector<std::string>* out) {
  auto line = co_await connection->read_line(100, test_deadline());
  out->push_back(line ? std::string(*line) : fault_name(line.error()));
  out->push_back(connection->has_input() ? "more in clear" : "nothing more");
  auto written = co_await connection->write("220 go\r\n", test_deadline());
  auto rest = start_and_read(connection, std::move(to), out);
  if (written) co_await rest;
}

event::Task<> write_for(Connection* connection, std::size_t octets, Duration limit, std::string* out) {
  std::string text(octets, 'x');
  auto written = co_await connection->write(text, Deadline::in(limit));
  *out = written ? "written" : fault_name(written.error());
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

// S-047, RFC 3207 §4.2.
TEST_CASE("what was said in clear before the handshake is gone after it") {
  ServerAndThread it;
  std::vector<std::string> lines;
  it.run(read_line_then_start(&*it.server, mail_server(), &lines), [&] {
    it.send("STARTTLS\r\nRSET\r\nMAIL FROM:<inj@evil.test>\r\nhalf");
    if (it.receive() != "220 go\r\n") return;
    it.shake();
    it.session->seal("NOOP\r\n");
    it.session->close();
    it.send(it.output());
  });
  CHECK(lines == std::vector<std::string>{"STARTTLS", "more in clear", "NOOP", "closed: TLS session closed by the peer"});
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

TEST_CASE("a handshake that is none is refused, with an alert and no word in clear") {
  struct Row {
    std::string said, error;
  };
  const Row rows[] = {{"EHLO client.example.org\r\n", "denied: TLS handshake: wrong version number"},
                      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "denied: TLS handshake: http request"},
                      {std::string(500, '\xff'), "denied: TLS handshake: wrong version number"},
                      {std::string("\x16\x03\x01\x00\x05hello", 10), "denied: TLS handshake: unexpected message"},
                      {std::string("\x16\x03\x01\xff\xff", 5), "denied: TLS handshake: packet length too long"},
                      {std::string("\x15\x03\x01\x00\x02\x02\x28", 7), "denied: TLS handshake: unexpected message"}};
  for (auto& row : rows) {
    ServerAndThread it;
    std::string outcome, answer;
    it.run(start_within(&*it.server, mail_server(), Duration(20000), &outcome), [&] { it.send(row.said); });
    CHECK(outcome == row.error);
    CHECK(it.server->tls() == nullptr);
    std::string written;
    it.on.run(write_for(&*it.server, 10, Duration(1000), &written));
    CHECK(written.starts_with("closed: TLS handshake: "));
    it.server.reset();
    std::string alert = it.receive();
    CHECK((alert.empty() || (alert.size() == 7 && alert[0] == '\x15')));
  }
}

TEST_CASE("a client that says nothing, or too little at a time, is waited for only so long") {
  ServerAndThread silent;
  std::string outcome;
  silent.on.run(start_within(&*silent.server, mail_server(), Duration(30), &outcome));
  CHECK(outcome == "timed out");
  ServerAndThread slow;
  slow.run(start_within(&*slow.server, mail_server(), Duration(100), &outcome), [&] {
    auto begun = slow.session->handshake("");
    std::string hello = slow.output();
    pollfd wait{slow.fd.get(), 0, 0};
    for (std::size_t i = 0; begun && i < hello.size() && ::poll(&wait, 1, 10) == 0 && i < 40; ++i) slow.send(hello.substr(i, 1));
  });
  CHECK(outcome == "timed out");
}

TEST_CASE("a handshake is ended by interrupt and by finish") {
  for (bool gently : {false, true}) {
    ServerAndThread it;
    std::string outcome;
    it.on.scope.spawn(start_within(&*it.server, mail_server(), Duration(20000), &outcome));
    CHECK(outcome == "");
    if (gently) it.server->finish();
    else it.server->interrupt();
    CHECK(outcome == "cancelled");
  }
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

TEST_CASE("TLS is not begun twice") {
  TlsPair pair;
  REQUIRE(pair.start(mail_server(), make_client(client_options())));
  CHECK_FALSE(pair.start(mail_server(), make_client(client_options())));
  CHECK(pair.server_start.error().text() == "TLS within TLS");
  CHECK(pair.talk() == "from client, from server");
}

}  // namespace mansio::net
