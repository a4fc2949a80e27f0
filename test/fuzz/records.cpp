// TLS between two sessions of ours, with somebody in between: what comes out at an end is what went in at the other, as far as
// it comes at all.
#include "fuzz/wire.hpp"
#include "net/test_certificates.hpp"
#include "net/tls_session.hpp"

namespace fuzz {
namespace {

using namespace mansio;

std::shared_ptr<const net::TlsServer> tls_server() {
  net::TlsServerOptions options;
  options.identities.push_back(net::make_test_identity(net::TestCertificate("mx.ex.test")));
  auto made = net::TlsServer::make(options);
  require(made.has_value(), "a server has its certificate");
  return *made;
}

struct End {
  explicit End(std::unique_ptr<net::TlsSession> s) : session(std::move(s)) {}
  std::unique_ptr<net::TlsSession> session;
  std::string said, heard;
  bool dead = false;

  void hear(std::string_view wire) {
    if (dead) return;
    if (!session->established()) {
      auto done = session->handshake(wire);
      dead = !done;
      if (done && *done) heard += session->open(session->rest());
    } else {
      heard += session->open(wire);
    }
    dead = dead || session->ended();
  }
  std::string take() {
    std::string out(session->output());
    session->sent();
    return out;
  }
  void say(std::string_view text) {
    if (dead || !session->established()) return;
    session->seal(text);
    if (!session->broken()) said += text;
  }
};

}  // namespace

std::shared_ptr<const net::TlsClient> tls_client() {
  net::TlsClientOptions options;
  options.authorities = net::test_authority();
  auto made = net::TlsClient::make(options);
  require(made.has_value(), "a client needs none");
  return *made;
}

// "s" and "c": the rest is what the server, or the client, hears. Else each four octets: which flight, where in it, what.
void tls_records(std::string_view input) {
  static const auto server_context = tls_server();
  static const auto client_context = tls_client();
  if (input.empty()) return;
  auto made = net::TlsSession::of(client_context, net::TlsRequest());
  require(made.has_value(), "a session begins");
  End server(net::TlsSession::of(server_context)), client(std::move(*made));
  client.hear("");
  if (input[0] == 's' || input[0] == 'c') {
    End& end = input[0] == 's' ? server : client;
    for (input.remove_prefix(1); !input.empty(); input.remove_prefix(std::min<std::size_t>(input.size(), 700))) end.hear(input.substr(0, 700));
    require(end.heard.empty() && !end.session->established(), "nobody gets in by chance");
    return;
  }
  for (unsigned flight = 0; flight < 12; ++flight) {
    End& from = flight % 2 == 0 ? client : server;
    End& to = flight % 2 == 0 ? server : client;
    from.say("line " + std::to_string(flight) + "\r\n");
    std::string wire = from.take();
    for (std::size_t i = 0; i + 4 <= input.size(); i += 4) {
      auto octet = [&](std::size_t at) { return static_cast<unsigned char>(input[i + at]); };
      if (octet(0) % 12 == flight && !wire.empty()) wire[(octet(1) * 256u + octet(2)) % wire.size()] = static_cast<char>(octet(3));
    }
    to.hear(wire);
  }
  require(client.said.starts_with(server.heard) && server.said.starts_with(client.heard), "what is heard was said");
  bool damaged = input.size() >= 4;
  if (!damaged) require(!server.dead && !client.dead && server.heard == client.said && !server.heard.empty(), "nothing is lost without damage");
}

}  // namespace fuzz
