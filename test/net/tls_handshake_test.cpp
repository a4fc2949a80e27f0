#include <catch2/catch.hpp>

#include "net/server_and_thread.hpp"

namespace mansio::net {
namespace {

event::Task<> start_within(Connection* connection, std::shared_ptr<const TlsServer> to, Duration limit, std::string* out) {
  auto started = co_await connection->start_tls(std::move(to), event::Deadline::in(limit));
  *out = started ? "started" : fault_name(started.error());
}

event::Task<> read_line_then_start(Connection* connection, std::shared_ptr<const TlsServer> to, std::vector<std::string>* out) {
  auto line = co_await connection->read_line(100, test_deadline());
  out->push_back(line ? std::string(*line) : fault_name(line.error()));
  out->push_back(connection->has_input() ? "more in clear" : "nothing more");
  auto written = co_await connection->write("220 go\r\n", test_deadline());
  auto rest = start_and_read(connection, std::move(to), out);
  if (written) co_await rest;
}

}  // namespace

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

TEST_CASE("TLS is not begun twice") {
  TlsPair pair;
  REQUIRE(pair.start(mail_server(), make_client(client_options())));
  CHECK_FALSE(pair.start(mail_server(), make_client(client_options())));
  CHECK(pair.server_start.error().text() == "TLS within TLS");
  CHECK(pair.talk() == "from client, from server");
}

}  // namespace mansio::net
