// Would RCPT be accepted? The same facts and checks as in a session (receive/session_handler.cpp).
#include <fmt/format.h>

#include "control/explanation.hpp"
#include "mail/submission.hpp"
#include "policy/sender.hpp"
#include "receive/receiver.hpp"
#include "route/expansion.hpp"

namespace mansio::control {

using config::Match;

// May it connect? By the rules for all listeners: each may have its own.
Explanation::Json Explanation::access_of(const std::string& client, const config::ClientName& name) const {
  const config::ClientPolicy& access = router_->tables().clients.access;
  bool denied = access.deny().match(client, name) == Match::yes;
  constexpr const char* words[] = {"no", "yes", "unsure"};
  Json out;
  out["allowed"] = words[static_cast<std::size_t>(access.match(client, name))];
  out["by"] = denied ? "access.deny" : config_->access.allow.empty() ? "" : "access.allow";
  out["place"] = denied ? route::place_of_client(*config_, "access.deny", config_->access.deny, client, name)
                        : route::place_of_client(*config_, "access.allow", config_->access.allow, client, name);
  return out;
}

// What makes a client one that may relay. Its name is asked for where a rule has names, or where sessions ask for it.
event::Task<Explanation::Json> Explanation::client_facts(const Question* question, config::ClientName* name, Match* may_relay) const {
  const route::ClientTables& rules = router_->tables().clients;
  const std::string& client = question->client;
  bool ask = config_->reverse_dns || rules.access.needs_name(client) || rules.relay.needs_name(client);
  if (!client.empty() && ask && services_.receiver != nullptr && services_.receiver->name_of_client) {
    std::string address = client;
    auto found = co_await services_.receiver->name_of_client(std::move(address));
    *name = std::move(found);
  }
  bool by_login = !question->user.empty() && config_->relay_authenticated;
  Match listed = client.empty() ? Match::no : rules.relay.match(client, *name);
  bool denied = !client.empty() && rules.relay.deny().match(client, *name) == Match::yes;
  *may_relay = by_login ? Match::yes : listed;
  Json out;
  if (!client.empty()) {
    out["address"] = client;
    out["access"] = access_of(client, *name);
  }
  if (!name->names.empty()) out["name"] = name->name();
  if (!question->user.empty()) out["user"] = question->user;
  out["may_relay"] = *may_relay == Match::yes;
  out["by"] = by_login ? "login" : listed == Match::yes ? "relay_from" : listed == Match::unsure ? "unsure" : denied ? "relay_deny" : "";
  std::string place = denied ? route::place_of_client(*config_, "relay_deny", config_->relay_deny, client, *name)
                      : listed == Match::yes ? route::place_of_client(*config_, "relay_from", config_->relay_from, client, *name) : std::string();
  out["place"] = place.empty() ? place_of("relay_from") : place;
  co_return out;
}

// What a group says of its domains is more than domains.relay_to says.
std::string Explanation::relay_place(const std::string& domain) const {
  const route::Tables& tables = router_->tables();
  const config::DomainSettings* group = tables.settings_of(domain);
  if (group == nullptr || !group->relay) return route::place_of_domain(*config_, "domains.relay_to", config_->domains.relay_to, domain);
  return place_of(fmt::format("domain_settings[{}].relay", group - tables.config->domain_settings.data()));
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
  if (judged.rule == Rule::relay_to) place = relay_place(domain);
  if (judged.rule == Rule::may_relay || judged.rule == Rule::no_relay || judged.rule == Rule::relay_unsure) place = place_of("relay_from");
  if (judged.rule == Rule::ours && router_->is_postmaster(address)) {
    out["postmaster"] = true;
    if (place.empty()) place = place_of("postmaster");
  }
  out["place"] = place;
  return out;
}

// `plan`: of the address, for what submissions refuse at once. Both outlive it.
event::Task<Explanation::Json> Explanation::verdict(mail::Address address, const Question* question, const Json*) {
  Match may_relay = Match::no;
  config::ClientName name;
  Json client = co_await client_facts(question, &name, &may_relay);
  bool said = !question->client.empty() || !question->user.empty();
  mail::Address target = address;
  std::string sender = question->sender;
  auto standing = co_await router_->verify(std::move(target), std::move(sender));
  policy::RecipientFacts facts = policy::facts_of(standing);
  // Nobody was named: what a client gets that may relay is told, and what others get beside it.
  facts.client_may_relay = said ? may_relay : Match::yes;
  facts.client = question->client;
  facts.relay_denied = !question->client.empty() && router_->tables().clients.relay.deny().match(question->client, name) == Match::yes;
  policy::Verdict judged = policy::judge_recipient(facts);
  Json out = describe(judged, address);
  if (!said) {
    facts.client_may_relay = Match::no;
    out["others"] = describe(policy::judge_recipient(facts), address);
  }
  if (judged.rule == policy::Rule::may_relay && may_relay == Match::yes) out["place"] = client["place"];
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
