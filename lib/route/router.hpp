// The router: at RCPT, is this an address of ours and does it exist; at delivery, where does its mail go. Order for
// a local domain: alias domain → for "name+detail", then "name": alias "name@domain", alias "name", alias_look_ups, user of a route →
// catch-all "@domain" → postmaster. A name without a domain in an alias is tried in the domain of the alias, then in
// mail_name's. An alias or a ~/.forward that leads back to itself means the mailbox itself; a
// loop without a mailbox is 5.4.6 (RFC 3463 §3.5).
// Routes: the first whose domains match, when it has senders the envelope's sender too, and when it has users, whose
// users know the name. For a local domain a route
// to the network that only matches by "*" is no candidate: an unknown user is never sent away.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "route/destination.hpp"
#include "route/directory.hpp"
#include "route/steps.hpp"
#include "route/tables.hpp"

namespace mansio::route {

struct RouterOptions {
  RouterOptions() = default;
  uid_t service_uid = 0;          // run_as: owner of mailboxes whose users have no uid of their own
  gid_t service_gid = 0;
  std::string service_user;       // its name for the groups, or ""
  uid_t alias_uid = 65534;        // as whom programs and files of aliases run: never root, never the spool's owner
  gid_t alias_gid = 65534;
  // Addresses of this machine, numeric. user@[one of them] is local (RFC 5321 §2.3.5): the same mailbox as in mail_name,
  // or in host_name when that is the local one. A literal that domains.local lists is a local domain of its own.
  std::vector<std::string> own_addresses;
  std::shared_ptr<Directories> directories;   // of the same configuration; null: nobody can be asked, so their answers are not known
};

enum class Standing : std::uint8_t {
  local,       // ours, and somebody is there
  relay,       // domains.relay_to: accepted for, passed on
  remote,      // anybody else's: only for clients that may relay
  refused,     // see status: 550 5.1.1, a :fail: or :defer:, a loop, or 451 while a table can't be asked
};

struct Verdict {
  Verdict(Standing s, Status t) : standing(s), status(std::move(t)) {}
  Standing standing;
  Status status;
};

// Bounds of one recipient's expansion; past them the recipient is refused (5.4.6), never half delivered.
inline constexpr std::size_t max_destinations = 10000;
inline constexpr std::size_t max_steps = 100000;
inline constexpr int max_depth = 50;

class Router {
 public:
  // `users` must outlive the router; the router must outlive its coroutines (hold it in a shared_ptr).
  Router(TablesPtr tables, UserDirectory& users, RouterOptions options);

  // `sender`: as in the envelope, "" for <>.
  event::Task<Verdict> verify(mail::Address address, std::string sender);
  event::Task<Resolution> resolve(mail::Address recipient, std::string sender);
  // resolve() with the way it went in `steps`, which outlives it.
  event::Task<Resolution> explain(mail::Address recipient, std::string sender, std::vector<Step>* steps);

  // RFC 5321 §4.5.1: <postmaster> without a domain is this address. Always accepted.
  const mail::Address& postmaster() const noexcept { return postmaster_; }
  bool is_postmaster(const mail::Address& address) const;

  // Not a question of users: does mail for this domain end here?
  bool is_local(const mail::Domain& domain) const;

  const Tables& tables() const noexcept { return *tables_; }

 private:
  TablesPtr tables_;
  UserDirectory& users_;
  RouterOptions options_;
  mail::Address postmaster_;
};

}  // namespace mansio::route
