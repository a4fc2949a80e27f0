// Scripts of client sessions: what a server says, what it must hear, and what becomes of each recipient. One case a file,
// the name says it; lines:
//
//   # comment        # lmtp: the session says LHLO        # timeouts: mail=50 data_end=50     ms; 5 s where not given
//   # helo: HELO is said at once
//   # name: other    the EHLO name, client.test where not given        # cut: whole           not run one octet a write
//   # tls: offered | required | implicit              # verify: server.test     the certificate must have this name
//   # user: name     # password: x    # token: x      what to log in with          # unverified: also without a verified certificate
//   # mechanisms: PLAIN LOGIN         allowed
//   offers: SIZE 100, DSN     the greeting, EHLO (LHLO) and its answer with these keywords
//   S: line          sent with CRLF                       S< raw     sent as it is      S*N raw     N times
//   C: line          the next thing heard, with CRLF      C< raw     without            C*N raw     N times
//                    Lines in a row are one group: all of them are heard before the server says more, and nothing else.
//   C?               whatever it is, one octet at least
//   close            the server closes                    wait 50    ms
//   tls              the server's handshake, with a certificate for server.test; "tls fails" when it must not succeed
//   again: DSN, AUTH PLAIN            EHLO (LHLO) and its answer with these keywords
//   interrupt        as the session's owner
//   transaction      begins one; its lines:
//     from: a@x.test   "" for <>     to: b@y.test   with NOTIFY= and ORCPT= after it    size: 5   where it isn't the content's
//     piece: raw       of content    piece*N raw    one piece of N times that           fails     after the pieces
//     body: 8bit | binary            smtputf8       ret: full | headers                 envid: x        auth: x
//     = 250 2.0.0 words @stage       of each recipient, in order: how it begins, and where it was decided
//     flags: reusable unknown host_trouble          exactly these; "reusable" where not given
//   start= 250 words @hello          how the start went; it is ok where not given
//   after= auth=PLAIN:name tls=TLS1.3 tls_failed login_refused lost_at_ehlo      of the session after the start: exactly these, "" not given
//   quit             after the last transaction
//
// Escapes: \r \n \t \0 \xHH \\ .
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "smtp/client.hpp"

namespace mansio::smtp {

struct ClientStep {
  enum class Kind { say, hear, close, wait, interrupt, tls, ignore };
  Kind kind;
  std::string text;
  std::size_t line = 0;
};

struct ScriptedTransaction {
  ScriptedTransaction() { transaction.sender = "from@client.test"; }
  Transaction transaction;
  std::optional<std::uint64_t> size;
  std::vector<std::string> pieces;
  bool fails = false;
  std::vector<std::string> expected;      // "250 2.0.0 words @stage"
  std::string flags = "reusable";
};

struct ClientScript {
  std::string name;
  ClientOptions options;
  bool only_whole = false, quits = false;
  std::string start = "250 @hello", after;
  bool wants_tls = false;
  sasl::Credentials credentials;           // `user` "" for none
  std::vector<ClientStep> steps;
  std::vector<ScriptedTransaction> transactions;
};

// Throws std::runtime_error naming file and line when it can't be read.
ClientScript read_client_script(const std::string& path);

std::string_view stage_name(Stage stage);

}  // namespace mansio::smtp
