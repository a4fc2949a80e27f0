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
    const char* rule;
  };
  const Case cases[] = {
      {"a mailbox of ours, for anybody", Standing::deliverable, Status(), false, "250 2.1.5 OK", "", "ours"},
      {"a relay_to domain, for anybody", Standing::relay_domain, Status(), false, "250 2.1.5 OK", "", "relay_to"},
      {"anywhere, for a client that may relay", Standing::elsewhere, Status(), true, "250 2.1.5 OK", "", "may_relay"},
      {"anywhere, for a stranger", Standing::elsewhere, Status(), false,
       "550 5.7.1 relaying denied: this server does not pass mail on to that domain for you", "relay not permitted", "no_relay"},
      {"an unknown user, also for a client that may relay", Standing::refused, Status(550, 1, 1, "no such user"), true,
       "550 5.1.1 no such user", "Unknown user", "no_such_user"},
      {"a user of whom nothing is known for the moment", Standing::unknown, Status(451, 3, 0, "ask later"), true,
       "451 4.3.0 ask later", "Unrouteable address", "not_known"},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    RecipientFacts facts(one.standing, one.why);
    facts.client_may_relay = one.client_may_relay;
    Verdict verdict = judge_recipient(facts);
    CHECK(verdict.status.line() == one.line);
    CHECK(std::string(verdict.reason) == one.reason);
    CHECK(std::string(word_of(verdict.rule)) == one.rule);
  }
}

TEST_CASE("what the router says becomes a fact for the checks") {
  struct Case { route::Standing standing; Status status; Standing want; };
  for (const Case& one : {Case{route::Standing::local, Status(), Standing::deliverable}, Case{route::Standing::relay, Status(), Standing::relay_domain},
                          Case{route::Standing::remote, Status(), Standing::elsewhere}, Case{route::Standing::refused, Status(550, 1, 1, "no"), Standing::refused},
                          Case{route::Standing::refused, Status(451, 3, 0, "later"), Standing::unknown}}) {
    RecipientFacts facts = facts_of(route::Verdict(one.standing, one.status));
    CHECK(facts.standing == one.want);
    CHECK(facts.why.line() == one.status.line());
    CHECK_FALSE(facts.client_may_relay);
  }
}

}  // namespace mansio::policy
