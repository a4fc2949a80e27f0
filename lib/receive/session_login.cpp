// The session's TLS and AUTH: who the client is, what that opens to it, and what the log says of it.
#include "base/text.hpp"
#include "event/timer.hpp"
#include "receive/session_handler.hpp"

namespace mansio::receive {

// RFC 3207 §4.2: what the client said in clear is forgotten.
void SessionHandler::secured(const net::TlsInfo& info) {
  tls_ = &info;
  helo_.clear();
}

auth::Facts SessionHandler::auth_facts() const {
  auth::Facts facts;
  facts.client_address = client_.peer.address;
  facts.client_port = client_.peer.port;
  facts.local_address = client_.local.address;
  facts.local_port = client_.local.port;
  facts.encrypted = tls_ != nullptr;
  if (tls_ != nullptr && tls_->verified) facts.fingerprint = tls_->fingerprint;
  return facts;
}

event::Task<sasl::Answer> SessionHandler::ask(sasl::Question question) {
  auto login = receiver_.login();
  if (!login) co_return sasl::Answer(sasl::Answer::Verdict::unavailable);
  auto answer = co_await login->backend->ask(std::move(question), auth_facts());
  co_return answer;
}

event::Task<Status> SessionHandler::authenticated(std::string_view mechanism, std::string user) {
  login_ = std::move(user);
  auth_ = std::string(mechanism) + ":" + login_;
  may_relay_ = true;
  co_return Status(235, 7, 0, "authentication succeeded");
}

event::Task<> SessionHandler::auth_failed(std::string_view mechanism, sasl::Failed failure) {
  log::AuthFailure event;
  event.mechanism = mechanism;
  event.host = host();
  event.user = failure.user;
  receiver_.log.write(std::move(event));
  if (failure.reason != sasl::Failed::Reason::denied) co_return;
  Duration pause = config_->auth.delay;
  event::Timer timer(receiver_.loop);
  co_await timer.sleep(pause);
}

std::optional<log::Tls> SessionHandler::log_tls() const {
  if (tls_ == nullptr) return std::nullopt;
  log::Tls out;
  out.version = tls_->version;
  out.cipher = tls_->cipher;
  out.bits = tls_->bits;
  out.server_name = tls_->server_name;
  if (tls_->peer_certificate) out.verified = tls_->verified;
  return out;
}

}  // namespace mansio::receive
