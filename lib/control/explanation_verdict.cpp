// Would RCPT be accepted? The same facts and checks as in a session (receive/session_handler.cpp).
#include <fmt/format.h>

#include "control/explanation.hpp"
#include "mail/submission.hpp"
#include "policy/sender.hpp"
#include "receive/receiver.hpp"
#include "route/expansion.hpp"

namespace mansio::control {

// What makes a client one that may relay.
Explanation::Json Explanation::client_facts(const Question& question, bool* may_relay) const {
  const config::NetworkList& networks = router_->tables().relay_from;
  Json out;
  bool listed = !question.client.empty() && networks.matches(question.client);
  *may_relay = listed || !question.user.empty();
  if (!question.client.empty()) out["address"] = question.client;
  if (!question.user.empty()) out["user"] = question.user;
  out["may_relay"] = *may_relay;
  out["by"] = !question.user.empty() ? "login" : listed ? "relay_from" : "";
  out["place"] = listed ? route::place_of_network(*config_, "relay_from", config_->relay_from, question.client) : place_of("relay_from");
  return out;
}

// The verdict, and the line of the configuration that it rests on.
Explanation::Json Explanation::describe(const policy::Verdict& judged, const mail::Address& address) const {
  using policy::Rule;
  Json out;
  out["accepted"] = judged.status.ok();
  out["rule"] = policy::word_of(judged.rule);
  out["status"] = describe_status(judged.status);
  const std::string& domain = address.domain().key();
  std::string place;
  if (judged.rule == Rule::ours) place = route::place_of_domain(*config_, "domains.local", config_->domains.local, domain);
  if (judged.rule == Rule::relay_to) place = route::place_of_domain(*config_, "domains.relay_to", config_->domains.relay_to, domain);
  if (judged.rule == Rule::may_relay || judged.rule == Rule::no_relay) place = place_of("relay_from");
  if (judged.rule == Rule::ours && router_->is_postmaster(address)) {
    out["postmaster"] = true;
    if (place.empty()) place = place_of("postmaster");
  }
  out["place"] = place;
  return out;
}

// `plan`: of the address, for what submissions refuse at once. Both outlive it.
event::Task<Explanation::Json> Explanation::verdict(mail::Address address, const Question* question, const Json*) {
  bool may_relay = false;
  Json client = client_facts(*question, &may_relay);
  bool said = !question->client.empty() || !question->user.empty();
  mail::Address target = address;
  std::string sender = question->sender;
  auto standing = co_await router_->verify(std::move(target), std::move(sender));
  policy::RecipientFacts facts = policy::facts_of(standing);
  // Nobody was named: what a client gets that may relay is told, and what others get beside it.
  facts.client_may_relay = may_relay || !said;
  policy::Verdict judged = policy::judge_recipient(facts);
  Json out = describe(judged, address);
  if (!said) {
    facts.client_may_relay = false;
    out["others"] = describe(policy::judge_recipient(facts), address);
  }
  if (judged.rule == policy::Rule::may_relay && may_relay) out["place"] = client["place"];
  if (said) out["client"] = std::move(client);
  if (question->user.empty() || services_.receiver == nullptr) co_return out;
  // A submission: may the login use the sender (RFC 6409 §6.1), can the message ever leave (§5)?
  std::optional<mail::Address> from;
  if (auto parsed = mail::Address::parse(question->sender)) from = std::move(*parsed);
  if (from) {
    if (auto shorter = mail::masqueraded(*from, config_->submission.masquerade)) from = std::move(shorter);
  }
  auto login = services_.receiver->login();
  Status allowed = policy::judge_sender(*config_, login ? login->senders.get() : nullptr, question->user, from);
  const char* rule = "sender_not_allowed";
  if (allowed.ok() && judged.status.ok() && standing.standing == route::Standing::remote && services_.receiver->sendable) {
    std::string sender_again = question->sender;
    mail::Address last = address;
    allowed = co_await services_.receiver->sendable(std::move(last), std::move(sender_again));
    rule = "cannot_be_sent";
    if (!allowed.permanent()) co_return out;
  }
  if (allowed.ok()) co_return out;
  out["accepted"] = false;
  out["rule"] = rule;
  out["status"] = describe_status(allowed);
  out["place"] = std::string_view(rule) == "cannot_be_sent" ? std::string() : place_of("submission.senders");
  co_return out;
}

}  // namespace mansio::control
