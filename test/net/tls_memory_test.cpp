#include <catch2/catch.hpp>

#include <malloc.h>

#include <csignal>
#include <list>
#include <thread>
#include <vector>

#include "net/session_pair.hpp"

namespace mansio::net {
namespace {

struct Idle {
  event::OnLoop on;
  std::list<Connection> connections;
  std::vector<UniqueFd> clients;
  std::size_t waited_for = 0, idle = 0;
  std::string clear;

  Idle() { std::signal(SIGPIPE, SIG_IGN); }
  void add() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    auto stream = event::Stream::adopt(on.loop, UniqueFd(ends[0]), true);
    connections.emplace_back(std::move(*stream));
    clients.emplace_back(ends[1]);
  }
};

// As a session has it: TLS, a word from us, a command, then silence.
event::Task<> be_idle(Idle* all, Connection* connection, std::shared_ptr<const TlsServer> to) {
  if (to) {
    auto started = co_await connection->start_tls(std::move(to), test_deadline());
    if (!started) all->clear = started.error().text();
  }
  auto said = co_await connection->write("220 ready\r\n", test_deadline());
  auto line = co_await connection->read_line(1000, test_deadline());
  if (!said || !line) all->clear = "no line";
  if (++all->idle == all->waited_for) all->on.loop.stop();
  auto end = co_await connection->read_line(1000, test_deadline());
  bool last = !end && --all->idle == 0;
  if (last) all->on.loop.stop();      // it would wait for the time-outs of what is still open
}

void shake_blocking(int fd, const std::shared_ptr<const TlsClient>& client) {
  auto session = TlsSession::of(client, TlsRequest());
  std::string buffer(65536, ' '), heard;
  std::string_view wire;
  for (;;) {
    if (!(*session)->established()) {
      auto done = (*session)->handshake(wire);
      if (!done) return;
      if (*done) heard += (*session)->open((*session)->rest());
    } else {
      heard += (*session)->open(wire);
    }
    if (heard.ends_with("\r\n")) (*session)->seal("NOOP\r\n");
    std::string out = SessionPair::take(**session);
    if (!out.empty() && ::send(fd, out.data(), out.size(), MSG_NOSIGNAL) < 0) return;
    if (heard.ends_with("\r\n")) return;
    auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) return;
    wire = std::string_view(buffer).substr(0, static_cast<std::size_t>(n));
  }
}

// Heap bytes of one idle connection.
std::size_t measure(std::size_t count, const std::shared_ptr<const TlsServer>& to) {
  Idle all;
  auto client = make_client(client_options());
  std::size_t before = 0;
  for (std::size_t round : {std::size_t(1), count}) {      // the first pays for what all share
    before = ::mallinfo2().uordblks;
    std::size_t first = all.clients.size();
    for (std::size_t i = 0; i < round; ++i) all.add();
    auto at = all.connections.begin();
    std::advance(at, first);
    all.waited_for += round;
    std::thread thread([&] {
      for (std::size_t i = first; i < first + round; ++i) {
        if (to) shake_blocking(all.clients[i].get(), client);
        else if (::send(all.clients[i].get(), "NOOP\r\n", 6, 0) != 6) return;
      }
    });
    for (; at != all.connections.end(); ++at) all.on.scope.spawn(be_idle(&all, &*at, to));
    while (all.idle < all.waited_for) all.on.loop.run();
    thread.join();
  }
  std::size_t used = ::mallinfo2().uordblks - before;
  CHECK(all.clear == "");
  all.clients.clear();
  while (all.idle != 0) all.on.loop.run();
  return used / count;
}

}  // namespace

TEST_CASE("an idle connection needs little memory, with TLS too") {
  auto clear = measure(200, nullptr);
  TlsServerOptions options;
  options.identities.push_back(make_test_identity(TestCertificate("mail.example.org")));
  options.tickets = make_tls_tickets();
  auto secret = measure(200, make_server(options));
  TestCertificate rsa("mail.example.org");
  rsa.key = TestKey::rsa;
  options.identities.push_back(make_test_identity(rsa));
  auto both = measure(200, make_server(options));
  INFO("octets: in clear " << clear << ", TLS " << secret << ", with two certificates " << both);
  CHECK(clear <= 4 * 1024);
  CHECK(secret <= 24 * 1024);
  CHECK(both <= 24 * 1024);
}

}  // namespace mansio::net
