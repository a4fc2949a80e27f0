// What happened, as one value: the text line, the JSON object and the journal entry are all made from it, so that
// they can't disagree (docs/logs.md tells the grammar). Fields hold what came from outside as it came; making it
// safe for a line is the formatter's job. An empty string, a zero or a nullopt means "not known" and is not shown.
// Ids are strings: this room knows nothing of the spool.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::log {

// The other side of a connection. `name` is the verified host name, `helo` what it called itself.
struct Host {
  std::string name{}, helo{}, address{};
  std::uint16_t port = 0;
};

// A TLS session: "TLS1.3", "ECDHE_RSA__AES_256_GCM", 256; `verified` is the CV= field.
struct Tls {
  std::string version{}, cipher{};
  std::uint16_t bits = 0;
  std::optional<bool> verified{};
  std::string server_name{};      // SNI=
  std::string subject{};          // DN=: whom the other side's certificate names, verified or not
};

enum class BodyType : std::uint8_t { unspecified, seven_bit, eight_bit };   // M8S=, RFC 6152

// "<=": a message was accepted and is durable.
struct Arrival {
  std::string id{};
  std::string sender{};           // "" is the null reverse-path
  std::string reply_to_id{};      // R=: the message this bounce answers
  Host host{};                    // empty address: submitted locally
  std::string local_address{};    // I=
  std::uint16_t local_port = 0;
  std::string user{};             // U=: local submitter
  std::string protocol{};         // RFC 3848, lower case: "esmtp", "local"
  std::optional<Tls> tls{};
  std::string auth{};             // A=mechanism:login
  std::uint64_t size = 0;
  BodyType body = BodyType::unspecified;
  std::string dkim{};
  std::string message_id{};       // without angle brackets
  std::vector<std::string> recipients{};
};

// "=>", "->", ">>", "*>": an address is done.
struct Delivery {
  enum class Mark : std::uint8_t { first, further, cut_through, suppressed };
  std::string id{};
  Mark mark = Mark::first;
  std::string address{};          // the final one; a path or "|command" for files and pipes
  std::string original{};         // where it differs
  std::optional<std::string> sender{};   // F=
  std::string route{}, transport{};
  std::uint64_t size = 0;
  Host host{};                    // remote: H=name [ip]:port
  bool dnssec = false;
  std::optional<Tls> tls{};
  std::string auth{};
  bool pipelining = false, chunking = false;
  std::string reply{};            // C="…": the peer's last word, or our transport's
  std::optional<Duration> queue_time{}, delivery_time{};
};

// Exim's negative numbers tell the phase of a deferral; positive ones are errno.
struct Phase {
  static constexpr int rcpt = -44, mail = -45, data = -46, local_retry = -53, host_retry = -54;
};

// "==": an address has to wait.
struct Deferral {
  std::string id{}, address{}, original{}, route{}, transport{};
  int number = 0;
  std::string text{};
  Host host{};
};

// "**": an address has failed for good.
struct Failure {
  std::string id{}, address{}, original{}, route{}, transport{};
  std::string text{};
  Host host{};
};

struct Completed {
  std::string id{};
  std::optional<Duration> queue_time{};
};

// Words that tools look for after "rejected RCPT <…>: " (fail2ban's exim filter); use them for these reasons.
namespace reason {
inline constexpr const char* relay = "relay not permitted";
inline constexpr const char* unknown_user = "Unknown user";
inline constexpr const char* unrouteable = "Unrouteable address";
inline constexpr const char* sender_verify = "Sender verify failed";
}  // namespace reason

// A command, a message or a connection was refused. Goes to the main log and, with envelope and header lines, to
// the reject log.
struct Rejection {
  enum class Stage : std::uint8_t { connection, helo, mail, rcpt, data, other };
  std::string id{};                    // "" before an id is given
  Host host{};
  std::optional<Tls> tls{};
  std::optional<std::string> sender{}; // F=, once known
  std::string auth{};
  Stage stage = Stage::rcpt;
  std::string argument{};              // the address of RCPT and MAIL, the name of HELO; for `other` what was refused
  bool temporary = false;
  std::string reason{};
  std::vector<std::string> recipients{};   // accepted so far; reject log only
  std::vector<std::string> headers{};      // header lines of the refused message; reject log only
};

// A connection went wrong or ended without a message.
struct ConnectionTrouble {
  enum class Kind : std::uint8_t {
    early_talker,        // `input` came before the greeting
    early_pipelining,    // `input` came after `command` that had to be the last of its group
    too_many_errors,     // dropped; `command` was the last
    too_many_nonmail,    // dropped; `command` was the last
    syntax_error,        // `command`: `text`
    protocol_error,      // `command`: `text`
    lost,                // ended without QUIT
    lost_in_data,
    command_timeout,
    data_timeout,
    tls_error,           // `text`
    refused,             // not even greeted: `text` ("too many connections")
    no_mail,             // QUIT without a message: `duration`, `commands`
  };
  Kind kind = Kind::lost;
  Host host{};
  std::string command{}, input{}, text{};
  std::optional<std::string> sender{};
  std::optional<Duration> duration{};
  std::vector<std::string> commands{};
};

// A connection began, or ended: only where log.connections asks for it (Exim's smtp_connection).
struct Connection {
  enum class What : std::uint8_t {
    begun,               // `count` connections are open now, with this one
    quit,                // ended by the client's QUIT
    lost,                // ended by the client in another way
    ended,               // ended by us
  };
  What what = What::begun;
  Host host{};
  std::string local_address{};    // I=
  std::uint16_t local_port = 0;
  std::uint64_t count = 0;
  std::optional<Duration> duration{};
};

struct AuthFailure {
  std::string mechanism{};
  Host host{};
  std::string user{};
};

// Free text: start, stop, reload, what happened to a message apart from deliveries. `panic` is for what an operator
// must act on: the line goes to the panic log too.
struct Notice {
  std::string id{}, text{};
  bool panic = false;
};

using Event = std::variant<Arrival, Delivery, Deferral, Failure, Completed, Rejection, ConnectionTrouble, AuthFailure, Notice, Connection>;

}  // namespace mansio::log
