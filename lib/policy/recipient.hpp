// May this client send to this recipient? Facts in, a verdict out: one table of checks, first match decides. Pure.
#pragma once
#include <cstdint>
#include <string>

#include "base/status.hpp"
#include "config/clients.hpp"
#include "route/router.hpp"

namespace mansio::policy {

// What the router knows of a recipient's address.
enum class Standing : std::uint8_t {
  deliverable,      // ours: a mailbox, an alias, postmaster
  relay_domain,     // of domains.relay_to
  elsewhere,        // any other domain
  refused,          // ours, but there is no such user, or an alias says :fail:
  unknown,          // ours, and for the moment we can't tell (:defer:, the user database doesn't answer)
};

struct RecipientFacts {
  RecipientFacts(Standing s, Status w) : standing(s), why(std::move(w)) {}
  Standing standing;
  Status why;                   // for refused and unknown: what to answer
  // Of relay_from, or a local user, or authenticated; unsure: that hangs on a name or a list that can't be had now.
  config::Match client_may_relay = config::Match::no;
  // For the words of a refusal.
  std::string client;               // its address; "": not known
  bool log_in_offered = false;      // and it has not logged in
  bool relay_denied = false;        // relay_deny has it
};

// What the router's answer comes to.
RecipientFacts facts_of(const route::Verdict& verdict);

// Which check decided.
enum class Rule : std::uint8_t { no_such_user, not_known, ours, relay_to, may_relay, relay_unsure, no_relay };
const char* word_of(Rule rule);        // "no_such_user", "not_known", ...

struct Verdict {
  Verdict(Rule which, Status s, const char* r) : rule(which), status(std::move(s)), reason(r) {}
  Rule rule;
  Status status;
  const char* reason;           // for the log's "rejected RCPT <…>: "; "" when accepted
};

Verdict judge_recipient(const RecipientFacts& facts);

}  // namespace mansio::policy
