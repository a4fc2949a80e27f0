// The session's TLS and AUTH: who the client is, what that opens to it, and what the log says of it.
#include <fmt/format.h>

#include "base/text.hpp"
#include "event/timer.hpp"
#include "net/tls_log.hpp"
#include "policy/sender.hpp"
#include "receive/session_handler.hpp"

namespace mansio::receive {

// RFC 3207 §4.2: what the client said in clear is forgotten.
void SessionHandler::secured(const net::TlsInfo& info) {
  tls_ = &info;
  helo_.clear();
  login_.clear();
  auth_.clear();
}

auth::Facts SessionHandler::auth_facts() const {
  auth::Facts facts;
  facts.client_address = client_.peer.address;
  facts.client_port = client_.peer.port;
  facts.local_address = client_.local.address;
  facts.local_port = client_.local.port;
  facts.encrypted = tls_ != nullptr;
  // Its key was shown, so its fingerprint is enough for EXTERNAL, whoever signed it.
  if (tls_ != nullptr) facts.fingerprint = tls_->fingerprint;
  return facts;
}

event::Task<sasl::Answer> SessionHandler::ask(sasl::Question question) {
  auto login = receiver_.login();
  if (!login || !login->backend) co_return sasl::Answer(sasl::Answer::Verdict::unavailable);
  auto answer = co_await login->backend->ask(std::move(question), auth_facts());
  co_return answer;
}

event::Task<Status> SessionHandler::authenticated(std::string_view mechanism, std::string user) {
  if (receiver_.observers.login) receiver_.observers.login();
  login_ = std::move(user);
  auth_ = std::string(mechanism) + ":" + login_;
  co_return Status(235, 7, 0, "authentication succeeded");
}

// A client that broke off, or a back end out of order, guessed nothing: no line for those that count guesses.
event::Task<> SessionHandler::auth_failed(std::string_view mechanism, sasl::Failed failure) {
  if (failure.reason != sasl::Failed::Reason::denied) co_return;
  log::AuthFailure event;
  event.mechanism = mechanism;
  event.host = host();
  event.user = failure.user;
  receiver_.log.write(std::move(event));
  Duration pause = receiver_.throttle.failed(client_.peer.address, failure.user, std::chrono::steady_clock::now());
  if (receiver_.others.login_failed) receiver_.others.login_failed(client_.peer.address, failure.user);
  event::Timer timer(receiver_.loop);
  co_await timer.sleep(pause);
}

// May the login write this address, as envelope sender, From or Sender? nullopt: "<>" of the envelope.
bool SessionHandler::may_send_as(const std::optional<mail::Address>& address) const {
  auto login = receiver_.login();
  return policy::may_send_as(*config_, login ? login->senders.get() : nullptr, login_, address);
}

// RFC 6409 §6.1, and the hour's quota.
Status SessionHandler::judge_sender(const std::optional<mail::Address>& sender) const {
  auto login = receiver_.login();
  Status allowed = policy::judge_sender(*config_, login ? login->senders.get() : nullptr, login_, sender);
  if (!allowed.ok()) return allowed;
  auto most = config_->submission.messages_per_hour;
  if (login_.empty() || most == 0) return Status();
  auto sent = receiver_.quota.last_hour(login_, std::chrono::steady_clock::now());
  if (sent.messages < most) return Status();
  return Status(450, 7, 1, fmt::format("you have sent {} messages within an hour, which is all you may: try again later", sent.messages));
}

Status SessionHandler::judge_quota(std::size_t recipients) const {
  auto most = config_->submission.recipients_per_hour;
  if (login_.empty() || most == 0) return Status();
  auto sent = receiver_.quota.last_hour(login_, std::chrono::steady_clock::now());
  if (sent.recipients + recipients < most) return Status();
  return Status(450, 7, 1, fmt::format("you have sent to {} recipients within an hour, which is all you may: try again later", sent.recipients + recipients));
}

std::optional<log::Tls> SessionHandler::log_tls() const {
  if (tls_ == nullptr) return std::nullopt;
  log::Tls out = net::log_fields(*tls_);
  out.server_name = tls_->server_name;
  out.subject = tls_->subject;
  return out;
}

}  // namespace mansio::receive
