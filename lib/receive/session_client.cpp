// Who the client is: what its address is called, may it connect, may it send to anywhere.
#include <fmt/format.h>

#include "receive/session_handler.hpp"

namespace mansio::receive {
namespace {

using config::Match;

// What a stranger is told is short; whoever asks from a net of our own is told what to change.
bool is_near(const std::string& address) {
  static const config::NetworkList near({"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10"});
  return near.matches(address);
}

Status not_welcome(const std::string& address, bool denied) {
  std::string text = fmt::format("5.7.1 {} may not use this server", address);
  if (is_near(address)) text += denied ? ": ask its administrator to take it out of access.deny" : ": ask its administrator to add it to access.allow";
  return Status(554, text);            // RFC 2034 §4: a greeting has no enhanced code in front
}

Status come_again(const std::string& address) {
  return Status(421, fmt::format("4.7.0 whether {} may use this server can't be told now: try again later", address));
}

}  // namespace

// The rules of this listener, or of all when it is no more.
const route::ClientTables& SessionHandler::client_tables() const {
  const route::Tables& tables = router_->tables();
  const route::ClientTables* own = route::clients_of(tables, service_->listener);
  return own != nullptr ? *own : tables.clients;
}

event::Task<> SessionHandler::learn_name() {
  if (client_name_.state != config::ClientName::State::unasked) co_return;
  client_name_.state = config::ClientName::State::unsure;
  if (!receiver_.name_of_client) co_return;
  std::string address = client_.peer.address;
  auto found = co_await receiver_.name_of_client(std::move(address));
  client_name_ = std::move(found);
}

event::Task<Status> SessionHandler::judge_access() {
  const std::string& address = client_.peer.address;
  if (address.empty()) {               // a unix socket: its permissions say who may connect
    client_name_.state = config::ClientName::State::known;
  } else if (config_->reverse_dns || client_tables().access.needs_name(address)) {
    co_await learn_name();
  }
  const route::ClientTables& rules = client_tables();
  listed_ = rules.relay.match(address, client_name_);
  if (address.empty()) co_return Status();
  Match allowed = rules.access.match(address, client_name_);
  if (allowed == Match::yes) co_return Status();
  bool denied = rules.access.deny().match(address, client_name_) == Match::yes;
  Status status = allowed == Match::unsure ? come_again(address) : not_welcome(address, denied);
  const char* reason = allowed == Match::unsure ? "client name not known" : denied ? "denied by access.deny" : "not in access.allow";
  log_rejection(log::Rejection::Stage::connection, "", status, reason);
  co_return status;
}

// relay_from and relay_deny, unless it is somebody of this machine or has logged in.
event::Task<Match> SessionHandler::may_relay() {
  if (client_.credentials || on_submission_socket()) co_return Match::yes;
  if (!login_.empty() && config_->relay_authenticated) co_return Match::yes;
  if (listed_ == Match::unsure && client_name_.state == config::ClientName::State::unasked) {
    co_await learn_name();
    listed_ = client_tables().relay.match(client_.peer.address, client_name_);
  }
  co_return listed_;
}

// For the words of a refusal.
void SessionHandler::describe_client(policy::RecipientFacts& facts) const {
  facts.client = client_.peer.address;
  facts.log_in_offered = service_->auth && login_.empty() && config_->relay_authenticated && receiver_.login() != nullptr;
  facts.relay_denied = client_tables().relay.deny().match(client_.peer.address, client_name_) == Match::yes;
}

// A submission listener without auth_required is for those of relay_from, and for who has logged in.
event::Task<Status> SessionHandler::judge_submitter() {
  if (!service_->submission || !login_.empty()) co_return Status();
  Match relay = co_await may_relay();
  if (relay == Match::yes) co_return Status();
  if (relay == Match::unsure) co_return Status(451, 7, 1, fmt::format("whether {} may send without a log-in can't be told now: try again later", client_.peer.address));
  if (service_->auth) co_return Status(530, 7, 0, "Authentication required");      // RFC 6409 §4.3, RFC 4954 §6
  co_return Status(550, 7, 1, fmt::format("{} may not send through this server: ask its administrator to add it to relay_from", client_.peer.address));
}

}  // namespace mansio::receive
