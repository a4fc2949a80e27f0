#include <catch2/catch.hpp>

#include "policy/recipient.hpp"

namespace mansio::policy {

TEST_CASE("who may send to whom") {
  struct Case {
    const char* name;
    Standing standing;
    Status why;
    bool client_may_relay;
    const char* line;
    const char* reason;
  };
  const Case cases[] = {
      {"a mailbox of ours, for anybody", Standing::deliverable, Status(), false, "250 2.1.5 OK", ""},
      {"a relay_to domain, for anybody", Standing::relay_domain, Status(), false, "250 2.1.5 OK", ""},
      {"anywhere, for a client that may relay", Standing::elsewhere, Status(), true, "250 2.1.5 OK", ""},
      {"anywhere, for a stranger", Standing::elsewhere, Status(), false,
       "550 5.7.1 relaying denied: this server does not pass mail on to that domain for you", "relay not permitted"},
      {"an unknown user, also for a client that may relay", Standing::refused, Status(550, 1, 1, "no such user"), true,
       "550 5.1.1 no such user", "Unknown user"},
      {"a user of whom nothing is known for the moment", Standing::unknown, Status(451, 3, 0, "ask later"), true,
       "451 4.3.0 ask later", "Unrouteable address"},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    RecipientFacts facts(one.standing, one.why);
    facts.client_may_relay = one.client_may_relay;
    Verdict verdict = judge_recipient(facts);
    CHECK(verdict.status.line() == one.line);
    CHECK(std::string(verdict.reason) == one.reason);
  }
}

}  // namespace mansio::policy
