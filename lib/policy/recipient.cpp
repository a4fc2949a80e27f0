#include "policy/recipient.hpp"

#include <fmt/format.h>

#include <array>

namespace mansio::policy {
namespace {

struct Check {
  bool (*applies)(const RecipientFacts&);
  Verdict (*verdict)(const RecipientFacts&);
};

Verdict accepted(Rule rule) { return Verdict(rule, Status(250, 1, 5, "OK"), ""); }

// RFC 5321 §3.6.2: 550 for a relay that is not allowed; 5.7.1 of RFC 3463 §3.8. Says what to do, for whoever gets to see it is
// the user of a program that was to send through us.
Verdict no_relay(const RecipientFacts& facts) {
  std::string who = facts.client.empty() ? "this client" : facts.client;
  std::string list = facts.relay_denied ? fmt::format("take {} out of relay_deny", who) : fmt::format("add {} to relay_from", who);
  std::string text = fmt::format("relaying denied: {}ask the administrator of this server to {}", facts.log_in_offered ? "log in first, or " : "", list);
  return Verdict(Rule::no_relay, Status(550, 7, 1, std::move(text)), "relay not permitted");
}

Verdict relay_unsure(const RecipientFacts& facts) {
  std::string who = facts.client.empty() ? "this client" : facts.client;
  std::string text = fmt::format("whether {} may send to other domains can't be told now, for its name is not known: try again later", who);
  return Verdict(Rule::relay_unsure, Status(451, 7, 1, std::move(text)), "client name not known");
}

constexpr std::array<Check, 7> checks{{
    {[](const RecipientFacts& f) { return f.standing == Standing::refused; },
     [](const RecipientFacts& f) { return Verdict(Rule::no_such_user, f.why, "Unknown user"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::unknown; },
     [](const RecipientFacts& f) { return Verdict(Rule::not_known, f.why, "Unrouteable address"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::deliverable; }, [](const RecipientFacts&) { return accepted(Rule::ours); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::relay_domain; }, [](const RecipientFacts&) { return accepted(Rule::relay_to); }},
    {[](const RecipientFacts& f) { return f.client_may_relay == config::Match::yes; }, [](const RecipientFacts&) { return accepted(Rule::may_relay); }},
    {[](const RecipientFacts& f) { return f.client_may_relay == config::Match::unsure; }, relay_unsure},
    {[](const RecipientFacts&) { return true; }, no_relay},
}};

}  // namespace

RecipientFacts facts_of(const route::Verdict& verdict) {
  using From = route::Standing;
  switch (verdict.standing) {
    case From::local: return RecipientFacts(Standing::deliverable, Status());
    case From::relay: return RecipientFacts(Standing::relay_domain, Status());
    case From::remote: return RecipientFacts(Standing::elsewhere, Status());
    case From::refused: break;
  }
  return RecipientFacts(verdict.status.temporary() ? Standing::unknown : Standing::refused, verdict.status);
}

const char* word_of(Rule rule) {
  constexpr const char* words[] = {"no_such_user", "not_known", "ours", "relay_to", "may_relay", "relay_unsure", "no_relay"};
  return words[static_cast<std::size_t>(rule)];
}

Verdict judge_recipient(const RecipientFacts& facts) {
  for (const Check& check : checks) {
    if (check.applies(facts)) return check.verdict(facts);
  }
  return accepted(Rule::ours);
}

}  // namespace mansio::policy
