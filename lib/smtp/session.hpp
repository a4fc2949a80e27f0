// The server's side of SMTP (RFC 5321) and LMTP (RFC 2033) over a net::Connection, with PIPELINING, SIZE, 8BITMIME,
// ENHANCEDSTATUSCODES, CHUNKING, BINARYMIME, SMTPUTF8, DSN, LIMITS, STARTTLS (RFC 3207), AUTH (RFC 4954), ETRN (RFC 1985)
// and, where no mail is taken but given, ATRN (RFC 2645). The session keeps the protocol: syntax, order, framing, limits, replies. Who may send what to whom is the Handler's.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "event/task.hpp"
#include "net/connection.hpp"
#include "net/tls.hpp"
#include "sasl/decoy.hpp"
#include "smtp/conversation.hpp"
#include "smtp/data.hpp"
#include "smtp/handler.hpp"

namespace mansio::smtp {

enum class TlsUse : std::uint8_t {
  none,
  offered,       // STARTTLS
  required,      // STARTTLS before anything else (RFC 3207 §4: 530 but to NOOP, EHLO, STARTTLS, QUIT)
  implicit,      // before the greeting (RFC 8314 §3.3)
};

struct SessionOptions {
  SessionOptions() = default;

  std::string host_name = "localhost";
  std::string mail_name;                             // completes addresses without a domain (RFC 6409 §8.1); "": they are refused
  Protocol protocol = Protocol::smtp;
  bool local = false;                                // a program of this machine: it may speak before the greeting
  std::uint64_t message_size = 50 << 20;             // octets; the smaller of these two is offered as SIZE
  std::uint64_t session_size = 500 << 20;            // octets of content in a connection
  std::uint64_t recipients = 1000;                   // accepted, a message
  std::uint64_t messages_per_connection = 1000;      // MAIL commands accepted, a connection
  std::uint64_t errors = 20;                         // answered; the next one is answered 421
  std::uint64_t command_line = 4096;                 // octets with CRLF
  std::uint64_t chunks = 10000;                      // BDAT commands, a message
  Duration command_timeout = std::chrono::minutes(5);   // for a whole command line
  Duration data_timeout = std::chrono::minutes(3);      // for the next octets of content
  Duration write_timeout = std::chrono::minutes(1);     // for a group of replies to be taken
  std::uint64_t data_minimum_rate = 50;              // octets a second over each rate_window of waiting; 0: any
  Duration rate_window = std::chrono::minutes(1);
  BareNewline bare_newline = BareNewline::reject;

  TlsUse tls = TlsUse::none;
  std::shared_ptr<const net::TlsServer> tls_server;  // null: no STARTTLS for now (454), and what is required still is
  Duration handshake_timeout = std::chrono::seconds(30);
  std::vector<std::string> mechanisms;               // SASL, upper case; empty: no AUTH
  bool auth_required = false;                        // before MAIL (RFC 6409 §4.3: 530 5.7.0)
  bool etrn = false;                                 // ETRN is offered
  bool odmr = false;                                 // ATRN is, and no mail is taken (RFC 2645)
  bool auth_in_clear = false;                        // PLAIN, LOGIN and tokens without TLS
  std::uint64_t auth_tries = 3;                      // guesses that failed; after the reply to the last one 421
  const sasl::Decoy* decoy = nullptr;                // needed for SCRAM; outlives the session
};

// Speaks until the session is over: QUIT, an error, a limit, a time-out, or connection.interrupt(). Says 421 when it is
// the one who ends it (RFC 5321 §3.8). finish() lets an open transaction go on to its end.
// `options` outlive the session: a listener or a reload has one for all of its connections.
// After Handler::turn_round() said 250 the connection is left as it is, with nothing read ahead.
// `conversation` is kept up to date, and is of a connection that may be ended by connection.interrupt().
event::Task<> serve(net::Connection& connection, Handler& handler, const SessionOptions& options, Conversation& conversation);
event::Task<> serve(net::Connection& connection, Handler& handler, const SessionOptions& options);      // nobody looks

}  // namespace mansio::smtp
