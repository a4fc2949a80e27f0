#include "policy/recipient.hpp"

#include <array>

namespace mansio::policy {
namespace {

struct Check {
  bool (*applies)(const RecipientFacts&);
  Verdict (*verdict)(const RecipientFacts&);
};

Verdict accepted(const RecipientFacts&) { return Verdict(Status(250, 1, 5, "OK"), ""); }

constexpr std::array<Check, 5> checks{{
    {[](const RecipientFacts& f) { return f.standing == Standing::refused; },
     [](const RecipientFacts& f) { return Verdict(f.why, "Unknown user"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::unknown; },
     [](const RecipientFacts& f) { return Verdict(f.why, "Unrouteable address"); }},
    {[](const RecipientFacts& f) { return f.standing == Standing::deliverable || f.standing == Standing::relay_domain; }, accepted},
    {[](const RecipientFacts& f) { return f.client_may_relay; }, accepted},
    // RFC 5321 §3.6.2: 550 for a relay that is not allowed; 5.7.1 of RFC 3463 §3.8.
    {[](const RecipientFacts&) { return true; },
     [](const RecipientFacts&) { return Verdict(Status(550, 7, 1, "relaying denied: this server does not pass mail on to that domain for you"), "relay not permitted"); }},
}};

}  // namespace

Verdict judge_recipient(const RecipientFacts& facts) {
  for (const Check& check : checks) {
    if (check.applies(facts)) return check.verdict(facts);
  }
  return accepted(facts);
}

}  // namespace mansio::policy
