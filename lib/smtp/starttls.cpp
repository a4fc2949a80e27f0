// TLS in a session: STARTTLS (RFC 3207), and TLS before the greeting (RFC 8314 §3.3).
#include "smtp/server.hpp"

namespace mansio::smtp {

bool Session::starttls_listed() const noexcept {
  bool used = options_.tls == TlsUse::offered || options_.tls == TlsUse::required;
  return used && options_.tls_server && !connection_.tls();
}

// RFC 3207 §4. The handshake follows when the reply is out: step().
event::Task<Session::Reply> Session::starttls(Command) {
  if (connection_.tls()) {
    co_return mistake(Trouble::protocol_error, "STARTTLS", Status(503, 5, 1, "TLS is active already"));
  }
  if (!options_.tls_server) co_return Status(454, 7, 0, "TLS not available due to temporary reason");
  // S-047: whoever put something behind STARTTLS meant it to be taken for what the client says inside of TLS.
  if (connection_.input_waiting()) {
    tell(Trouble::early_pipelining, "STARTTLS", "clear text follows it");
    over_ = true;
    co_return Status(554, 5, 1, "nothing may follow STARTTLS in clear text");
  }
  handshake_next_ = true;
  co_return Status(220, 0, 0, "Ready to start TLS");
}

// After an error nothing may be said any more: the client would take clear text for what TLS protects (RFC 3207 §4.1).
event::Task<Result<>> Session::secure() {
  handshake_next_ = false;
  broken_ = true;
  Result<> begun = fail(Fault::denied, "there is no certificate");
  if (options_.tls_server) {
    auto deadline = event::Deadline::in(options_.handshake_timeout);
    auto done = co_await connection_.start_tls(options_.tls_server, deadline);
    begun = std::move(done);
  }
  if (!begun) {
    tell(Trouble::tls_failed, "", begun.error().text());
    co_return begun;
  }
  broken_ = false;
  // §4.2: what the client said before is forgotten. There is no transaction: STARTTLS is refused in one.
  hello_.reset();
  authenticated_ = data_refused_ = body_may_follow_ = secrets_may_follow_ = false;
  handler_.secured(*connection_.tls());
  conversation_.stir();
  conversation_.hear_tls(*connection_.tls());
  co_return Result<>();
}

}  // namespace mansio::smtp
