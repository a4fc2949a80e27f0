#include <catch2/catch.hpp>

#include "policy/recipient.hpp"

namespace mansio::policy {

using config::Match;

TEST_CASE("who may send to whom") {
  struct Case {
    const char* name;
    Standing standing;
    Status why;
    config::Match client_may_relay;
    const char* line;
    const char* reason;
    const char* rule;
  };
  const Case cases[] = {
      {"a mailbox of ours, for anybody", Standing::deliverable, Status(), Match::no, "250 2.1.5 OK", "", "ours"},
      {"a relay_to domain, for anybody", Standing::relay_domain, Status(), Match::no, "250 2.1.5 OK", "", "relay_to"},
      {"anywhere, for a client that may relay", Standing::elsewhere, Status(), Match::yes, "250 2.1.5 OK", "", "may_relay"},
      {"anywhere, for a stranger", Standing::elsewhere, Status(), Match::no,
       "550 5.7.1 relaying denied: ask the administrator of this server to add 192.0.2.7 to relay_from", "relay not permitted", "no_relay"},
      {"anywhere, for a client whose name can't be had now", Standing::elsewhere, Status(), Match::unsure,
       "451 4.7.1 whether 192.0.2.7 may send to other domains can't be told now, for its name is not known: try again later", "client name not known", "relay_unsure"},
      {"a mailbox of ours, for a client whose name can't be had now", Standing::deliverable, Status(), Match::unsure, "250 2.1.5 OK", "", "ours"},
      {"an unknown user, also for a client that may relay", Standing::refused, Status(550, 1, 1, "no such user"), Match::yes,
       "550 5.1.1 no such user", "Unknown user", "no_such_user"},
      {"a user of whom nothing is known for the moment", Standing::unknown, Status(451, 3, 0, "ask later"), Match::yes,
       "451 4.3.0 ask later", "Unrouteable address", "not_known"},
  };
  for (const Case& one : cases) {
    INFO(one.name);
    RecipientFacts facts(one.standing, one.why);
    facts.client_may_relay = one.client_may_relay;
    facts.client = "192.0.2.7";
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
    CHECK(facts.client_may_relay == Match::no);
  }
}

TEST_CASE("who may not relay is told what to do, in one line that fits RFC 5321") {
  struct Case {
    const char* client;
    bool log_in_offered, relay_denied;
    const char* line;
  };
  for (const Case& one : {Case{"192.0.2.7", false, false, "550 5.7.1 relaying denied: ask the administrator of this server to add 192.0.2.7 to relay_from"},
                          Case{"192.0.2.7", true, false, "550 5.7.1 relaying denied: log in first, or ask the administrator of this server to add 192.0.2.7 to relay_from"},
                          Case{"2001:db8::1", false, true, "550 5.7.1 relaying denied: ask the administrator of this server to take 2001:db8::1 out of relay_deny"},
                          Case{"", true, false, "550 5.7.1 relaying denied: log in first, or ask the administrator of this server to add this client to relay_from"}}) {
    RecipientFacts facts(Standing::elsewhere, Status());
    facts.client = one.client;
    facts.log_in_offered = one.log_in_offered;
    facts.relay_denied = one.relay_denied;
    std::string line = judge_recipient(facts).status.line();
    CHECK(line == one.line);
    CHECK(line.size() <= 510);
  }
}

}  // namespace mansio::policy
