// TLS as the rest of the program sees it: what a server or a client may negotiate (immutable contexts, made once and
// shared), and what a session turned out to be. net::Connection does the rest (start_tls). The only room with OpenSSL's
// ssl.h. TLS 1.2 and 1.3 alone (RFC 8996); no compression, no renegotiation, no early data (a replayed MAIL is mail twice).
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"

namespace mansio::net {

enum class TlsVersion : std::uint8_t { tls12, tls13 };

// What may be negotiated. An empty string stands for the safe default: forward secrecy and AEAD alone for 1.2
// (RFC 9325 §4), X25519 and P-256 first. Clients that are opportunistic may be laxer, since the alternative is clear text.
struct TlsRules {
  TlsRules() = default;
  TlsVersion least = TlsVersion::tls12;
  std::string ciphers;           // of TLS 1.2, an OpenSSL cipher list
  std::string cipher_suites;     // of TLS 1.3
  std::string groups;            // "X25519:P-256"
};

// A certificate chain with its key, as the files hold them. `file` stands in error texts. The caller wipes the key.
struct TlsIdentity {
  TlsIdentity() = default;
  std::string file;
  std::string chain, key;        // PEM; the chain begins with the server's own
  std::string staple;            // an OCSP response, DER; "" for none. One that does not fit or is out of date is not sent
};

// The keys that encrypt session tickets (RFC 5077, RFC 8446 §4.6.1): random, changed by themselves, and kept while
// certificates are renewed. One for all listeners: a ticket counts only for the service it was given by.
class TlsTickets;
std::shared_ptr<TlsTickets> make_tls_tickets();
// Several processes that open each other's tickets are given their keys, each made `age` ago: from the first one on none is
// made here. The newest seals.
inline constexpr std::size_t ticket_key_size = 80;      // octets, random
inline constexpr std::chrono::minutes ticket_key_fresh{60}, ticket_key_useful{180};
void take_ticket_key(TlsTickets& tickets, std::string_view key, Duration age);

struct TlsServerOptions {
  TlsServerOptions() = default;
  TlsRules rules;
  std::vector<TlsIdentity> identities;   // not empty. Chosen by SNI among their names (RFC 6066 §3), by key type (ECDSA
                                         // and RSA side by side); the first is for clients that name none of them
  bool ask_certificate = false;          // of the client; none is fine too, and one that can't be verified as well
  std::string authorities;               // PEM, to verify it with; "": the system's
  std::string service;                   // "submission 192.0.2.1 587": what tickets are bound to
  std::shared_ptr<TlsTickets> tickets;   // null: no resumption
};

class TlsServer {
 public:
  // Fault::invalid names the file and what is wrong with it: no PEM, the key belongs to another certificate, an unknown
  // cipher, expired or not valid yet is no error.
  static Result<std::shared_ptr<const TlsServer>> make(const TlsServerOptions& options);
  ~TlsServer();

  struct Certificate {
    std::string file;
    std::vector<std::string> names;      // DNS names, lower case
    Time expires{};
  };
  const std::vector<Certificate>& certificates() const noexcept { return certificates_; }

  struct Contexts;                       // OpenSSL's; private to this room
  const Contexts& contexts() const noexcept { return *contexts_; }

 private:
  explicit TlsServer(std::unique_ptr<Contexts> contexts);
  std::unique_ptr<Contexts> contexts_;
  std::vector<Certificate> certificates_;
};

struct TlsClientOptions {
  TlsClientOptions() = default;
  TlsRules rules;
  std::string authorities;               // PEM, to verify servers with; "": the system's
  std::optional<TlsIdentity> identity;   // our own certificate, for servers that ask for one
};

class TlsClient {
 public:
  // Fault::invalid as with TlsServer::make.
  static Result<std::shared_ptr<const TlsClient>> make(const TlsClientOptions& options);
  ~TlsClient();

  struct Context;
  const Context& context() const noexcept { return *context_; }

 private:
  explicit TlsClient(std::unique_ptr<Context> context);
  std::unique_ptr<Context> context_;
};

// One connection of a client.
struct TlsRequest {
  TlsRequest() = default;
  std::string server_name;               // SNI; "": none is sent (address literals, RFC 6066 §3)
  std::vector<std::string> names;        // the certificate must have one of them; empty: whatever it has
  bool verify = false;                   // a certificate that does not verify ends the handshake
  std::string resume;                    // sessions with the same text may be resumed; "": no
};

// What the two sides agreed on.
struct TlsInfo {
  TlsInfo() = default;
  std::string version;                   // "TLS1.3", as Exim's X= has it
  std::string cipher;                    // IANA's name without "TLS_": "AES_256_GCM_SHA384"
  std::uint16_t bits = 0;
  bool resumed = false;
  bool peer_certificate = false;         // the other side showed one
  bool verified = false;                 // and it verifies, its names too where names were asked for
  std::string problem;                   // why it does not verify
  std::string fingerprint;               // of it, SHA-256, lower-case hex
  std::string subject, issuer;           // of it, RFC 2253, printable ASCII, at most 512 octets
  std::string server_name;               // SNI as sent or received: a host name (letters, digits, "-", "." and "_"), or ""
};

}  // namespace mansio::net
