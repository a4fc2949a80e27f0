// A server's connection on the loop, and a client in a thread that does as the test says.
#pragma once
#include <poll.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "net/session_pair.hpp"

namespace mansio::net {

inline std::shared_ptr<const TlsServer> mail_server(bool tickets = true) {
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

inline std::string fault_name(const Error& error) {
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

// Starts TLS, then lines until the end.
inline event::Task<> start_and_read(Connection* connection, std::shared_ptr<const TlsServer> to, std::vector<std::string>* out) {
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

inline event::Task<> write_for(Connection* connection, std::size_t octets, Duration limit, std::string* out) {
  std::string text(octets, 'x');
  auto written = co_await connection->write(text, event::Deadline::in(limit));
  *out = written ? "written" : fault_name(written.error());
}

}  // namespace mansio::net
