// Both ends of a connection on one loop, and TLS between them.
#pragma once
#include <catch2/catch.hpp>

#include <csignal>
#include <sys/socket.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "event/run_on_loop.hpp"
#include "net/connection.hpp"
#include "net/test_certificates.hpp"

namespace mansio::net {

inline event::Deadline test_deadline() { return event::Deadline::in(std::chrono::seconds(20)); }

struct TlsPair {
  event::OnLoop on;
  std::optional<Connection> server, client;
  Result<> server_start, client_start;

  TlsPair() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    auto one = event::Stream::adopt(on.loop, UniqueFd(ends[0]), true);
    auto other = event::Stream::adopt(on.loop, UniqueFd(ends[1]), true);
    server.emplace(std::move(*one));
    client.emplace(std::move(*other));
  }

  // Runs both until both have ended.
  void run(event::Task<> one, event::Task<> other) {
    int left = 2;
    on.scope.spawn(count(std::move(one), &left, &on.loop));
    on.scope.spawn(count(std::move(other), &left, &on.loop));
    while (left != 0) on.loop.run();
  }

  // True when both say that TLS is on.
  bool start(std::shared_ptr<const TlsServer> to, std::shared_ptr<const TlsClient> from, TlsRequest request = TlsRequest()) {
    run(serve(&*server, std::move(to), &server_start), connect(&*client, std::move(from), std::move(request), &client_start));
    return server_start && client_start;
  }

  static event::Task<> serve(Connection* connection, std::shared_ptr<const TlsServer> to, Result<>* out) {
    auto started = co_await connection->start_tls(std::move(to), test_deadline());
    *out = std::move(started);
  }
  static event::Task<> connect(Connection* connection, std::shared_ptr<const TlsClient> from, TlsRequest request, Result<>* out) {
    auto started = co_await connection->start_tls(std::move(from), std::move(request), test_deadline());
    *out = std::move(started);
  }
  static event::Task<> say(Connection* connection, std::string bytes, Result<>* out) {
    auto written = co_await connection->write(bytes, test_deadline());
    if (out != nullptr) *out = std::move(written);
  }
  static event::Task<> hear_line(Connection* connection, std::string* out) {
    auto line = co_await connection->read_line(1000, test_deadline());
    *out = line ? std::string(*line) : "error: " + line.error().text();
  }
  static event::Task<> hear(Connection* connection, std::size_t octets, std::string* out) {
    while (out->size() < octets) {
      auto chunk = co_await connection->read_chunk(test_deadline());
      if (!chunk) {
        *out += "error: " + chunk.error().text();
        co_return;
      }
      *out += *chunk;
    }
  }
  // One line from each to the other; what they heard.
  std::string talk() {
    std::string to_server, to_client;
    run(say(&*client, "from client\r\n", nullptr), hear_line(&*server, &to_server));
    run(say(&*server, "from server\r\n", nullptr), hear_line(&*client, &to_client));
    return to_server + ", " + to_client;
  }

 private:
  static event::Task<> count(event::Task<> task, int* left, event::Loop* loop) {
    co_await task;
    if (--*left == 0) loop->stop();
  }
};

inline std::shared_ptr<const TlsServer> make_server(const TlsServerOptions& options) {
  auto made = TlsServer::make(options);
  if (!made) throw std::runtime_error(made.error().text());
  return *made;
}
inline std::shared_ptr<const TlsServer> make_server(const TestCertificate& wish) {
  TlsServerOptions options;
  options.identities.push_back(make_test_identity(wish));
  return make_server(options);
}
inline TlsClientOptions client_options() {
  TlsClientOptions options;
  options.authorities = test_authority();
  return options;
}
inline std::shared_ptr<const TlsClient> make_client(const TlsClientOptions& options) {
  auto made = TlsClient::make(options);
  if (!made) throw std::runtime_error(made.error().text());
  return *made;
}

}  // namespace mansio::net
