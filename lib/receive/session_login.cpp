// The session's TLS and AUTH: who the client is, and what that opens to it.
#include "receive/session_handler.hpp"

namespace mansio::receive {

// RFC 3207 §4.2: what the client said in clear is forgotten.
void SessionHandler::secured(const net::TlsInfo& info) {
  tls_ = &info;
  helo_.clear();
}

event::Task<sasl::Answer> SessionHandler::ask(sasl::Question) { co_return sasl::Answer(sasl::Answer::Verdict::unavailable); }

event::Task<Status> SessionHandler::authenticated(std::string_view mechanism, std::string user) {
  auth_ = std::string(mechanism) + ":" + user;
  may_relay_ = true;
  co_return Status(235, 7, 0, "authentication succeeded");
}

event::Task<> SessionHandler::auth_failed(std::string_view, sasl::Failed) { co_return; }

}  // namespace mansio::receive
