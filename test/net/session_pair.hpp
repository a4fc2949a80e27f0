// Two TLS sessions with nothing between them: what one says is handed to the other by the test.
#pragma once
#include <memory>
#include <string>

#include "net/tls_contexts.hpp"
#include "net/tls_pair.hpp"
#include "net/tls_session.hpp"

namespace mansio::net {

struct SessionPair {
  std::unique_ptr<TlsSession> server, client;
  std::string to_server, to_client;      // what was opened
  std::string server_error, client_error;

  SessionPair(std::shared_ptr<const TlsServer> to, std::shared_ptr<const TlsClient> from, const TlsRequest& request = TlsRequest()) {
    server = TlsSession::of(std::move(to));
    auto made = TlsSession::of(std::move(from), request);
    if (!made) throw std::runtime_error(made.error().text());
    client = std::move(*made);
  }

  static std::string take(TlsSession& session) {
    std::string out(session.output());
    session.sent();
    return out;
  }
  static void feed(TlsSession& session, std::string wire, std::string& heard, std::string& error) {
    if (session.established()) {
      heard += session.open(wire);
      return;
    }
    auto done = session.handshake(wire);
    if (!done) error = done.error().text();
    else if (*done) heard += session.open(session.rest());
  }
  // Hands over what there is until both are silent.
  void move() {
    for (;;) {
      std::string up = take(*client), down = take(*server);
      if (up.empty() && down.empty()) return;
      if (!up.empty()) feed(*server, std::move(up), to_server, server_error);
      if (!down.empty()) feed(*client, std::move(down), to_client, client_error);
    }
  }
  bool shake() {
    feed(*client, "", to_client, client_error);
    move();
    return server->established() && client->established() && !server->ended() && !client->ended();
  }
};

inline void only_tls12(const TlsClient& client) {
  SSL_CTX_set_max_proto_version(client.context().strict.get(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(client.context().lax.get(), TLS1_2_VERSION);
}

}  // namespace mansio::net
