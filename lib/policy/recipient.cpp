#include "policy/recipient.hpp"

#include <array>

namespace mansio::policy {
namespace {

struct Check {
  bool (*applies)(const RecipientFacts&);
  Verdict (*verdict)(const RecipientFacts&);
};

Verdict accepted(Rule rule) { return Verdict(rule, Status(250, 1, 5, "OK"), ""); }

constexpr std::array<Check, 6> checks{{
    {[](const RecipientFacts& f) { return f.standing == Standing::refused; },
     [](const RecipientFacts& f) { return Verdict(Rule::no_such_user, f.why, "Unknown user"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::unknown; },
     [](const RecipientFacts& f) { return Verdict(Rule::not_known, f.why, "Unrouteable address"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::deliverable; }, [](const RecipientFacts&) { return accepted(Rule::ours); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::relay_domain; }, [](const RecipientFacts&) { return accepted(Rule::relay_to); }},
    {[](const RecipientFacts& f) { return f.client_may_relay; }, [](const RecipientFacts&) { return accepted(Rule::may_relay); }},
    // RFC 5321 §3.6.2: 550 for a relay that is not allowed; 5.7.1 of RFC 3463 §3.8.
    {[](const RecipientFacts&) { return true; },
     [](const RecipientFacts&) { return Verdict(Rule::no_relay, Status(550, 7, 1, "relaying denied: this server does not pass mail on to that domain for you"), "relay not permitted"); }},
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
  constexpr const char* words[] = {"no_such_user", "not_known", "ours", "relay_to", "may_relay", "no_relay"};
  return words[static_cast<std::size_t>(rule)];
}

Verdict judge_recipient(const RecipientFacts& facts) {
  for (const Check& check : checks) {
    if (check.applies(facts)) return check.verdict(facts);
  }
  return accepted(Rule::ours);
}

}  // namespace mansio::policy
