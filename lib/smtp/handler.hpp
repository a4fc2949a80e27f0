// What a server session asks of whoever takes the mail. The session (session.hpp) knows the protocol: syntax, order,
// replies, data framing, limits of a connection. The Handler knows policy: who may send, which recipients exist, where
// a message goes. lib/receive implements it; tests implement it in memory.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "event/stream.hpp"
#include "event/task.hpp"
#include "net/tls.hpp"
#include "sasl/server.hpp"
#include "smtp/command.hpp"
#include "smtp/data.hpp"

namespace mansio::smtp {

enum class Protocol : std::uint8_t { smtp, lmtp };

// Who is at the other end.
struct Client {
  event::Endpoint peer, local;                              // empty address: a unix socket
  std::optional<event::PeerCredentials> credentials;        // then these
};

// What went wrong with a connection, for the log (log::ConnectionTrouble has the same kinds).
enum class Trouble : std::uint8_t {
  early_talker, too_many_errors, syntax_error, protocol_error, lost, lost_in_data, command_timeout, data_timeout,
  write_timeout, no_mail,
  tls_failed,              // the handshake; TLS that breaks later is `lost`, with OpenSSL's reason
  early_pipelining,        // something followed STARTTLS in clear, which has to be the last of its group
};

class Handler {
 public:
  virtual ~Handler() = default;

  // First of all: 220 greets (the text is after the host name), 4xx/5xx is sent instead and ends the session.
  virtual event::Task<Status> connected() = 0;
  // EHLO, HELO, LHLO with a valid name. A 2xx (its text is not used) starts the session anew and ends any transaction.
  virtual event::Task<Status> hello(Verb verb, std::string name) = 0;
  // Each may refuse with any 4xx/5xx; the session has checked syntax, order, SIZE against the limit and what is offered.
  virtual event::Task<Status> mail(MailArguments arguments) = 0;
  virtual event::Task<Status> rcpt(RcptArguments arguments) = 0;
  // Before 354, or at the first BDAT: at least one recipient was accepted. A refusal ends the transaction.
  virtual event::Task<Status> begin_data() = 0;
  // Content as it comes, dots removed. The spans lie in the loop's read buffer: they are taken before the first
  // suspension. An error is kept by the session: it reads on to the real end of data and answers with it.
  virtual event::Task<Result<>> content(std::vector<std::string_view> spans) = 0;
  // The end of data was reached and nothing is wrong with it. The reply is final: 2xx means durable (D-001).
  virtual event::Task<Status> end_data() = 0;
  // LMTP: one reply for each accepted recipient, in their order (RFC 2033 §4.2).
  virtual event::Task<std::vector<Status>> end_data_lmtp() = 0;
  // The transaction is over: finished, RSET, a new EHLO, refused data, or the connection went. Forgets all of it, and
  // discards content that was not committed. `refused`: with this status at the end of data (for the reject log), which
  // the session decided itself (size, bare newline, too many chunks, or an error of content()).
  virtual void reset(const Status* refused) = 0;

  // TLS begins: of what was said before nothing counts (RFC 3207 §4.2), and hello() follows. `info` lives as long as
  // the session. Of an implicit listener it comes before connected().
  virtual void secured(const net::TlsInfo& info) = 0;
  // AUTH (RFC 4954). The mechanism asks, none, one or several times; the answer may take its time. Then one of the two
  // below follows, unless the connection ends.
  virtual event::Task<sasl::Answer> ask(sasl::Question question) = 0;
  // The client is `user`, until TLS begins or the session ends; hello() does not change it. 235, or a refusal: then it
  // is not.
  virtual event::Task<Status> authenticated(std::string_view mechanism, std::string user) = 0;
  // It is not who it said to be (denied), nobody can tell (unavailable), or it gave up or spoke nonsense (malformed: no
  // guess); `failure.user` and `.text` are for the log. The reply is sent when this is over: guessers are slowed here.
  virtual event::Task<> auth_failed(std::string_view mechanism, sasl::Failed failure) = 0;

  virtual event::Task<Status> verify(std::string text) = 0;          // VRFY: 252 or 550
  // ETRN (RFC 1985): the mail of a host that connects rarely is to be sent there. 250 to 253, 458, 459.
  virtual event::Task<Status> start_queue(EtrnArguments arguments) = 0;
  // ATRN (RFC 2645) of a client that has logged in. 250: the session ends with this answer, and whoever serves it gives the
  // connection to a client of ours, which finds the other side ready to greet it. 450, 451, 453: nothing has changed.
  virtual event::Task<Status> turn_round(std::vector<std::string> domains) = 0;
  // `command` is the line at fault, or "". Credentials are left out of it: "AUTH PLAIN ***".
  virtual void trouble(Trouble kind, std::string_view command, std::string_view text) = 0;
};

}  // namespace mansio::smtp
