// One answer for the plan: would mail for an address be accepted, by which line of the configuration, and where does it go
// then? Asks the daemon's own router, policy, search for hosts and queue; nothing is decided here, and nothing is sent.
//
// Times are seconds since 1970; a place is "file:line", "default", or "" where nobody knows; a STATUS is {"code","enhanced",
// "text","line"}. Of an address:
//   "address","from","now","outcome": ok, deferred (not now) or failed
//   "rcpt" {"accepted","rule","status":STATUS,"place","postmaster", "client":{"address","name","access":{"allowed","by",
//          "place"},"user","may_relay","by","place"} when
//          one was named, else "others": the same for clients that may not relay; "paused" (as below) while accepting is}.
//          Rules: those of policy::Rule, and syntax, sender, sender_not_allowed, cannot_be_sent
//   "steps" [{"kind","parent","text","place","index"}]: route::Step; the parent is an index, null for the first
//   "destinations" [{"kind","address","route","route_place","transport","transport_kind","transport_place", of local ones
//          "path","command","user","uid","gid", of remote ones "site": an index into sites, "rerouted"; "schedule" and
//          "schedule_place": by which it waits}], "destinations_count"
//   "refusals" [{"address","status":STATUS}]
//   "sites" [{"transport","settings_place" (of its group of domain_settings),"domain","key","status":STATUS,"by_mx",
//          "hosts":[{"name","port" (0: a unix socket),"preference","fallback","mx_ttl","mx_secure","addresses","status","ttl","secure"}],
//          "tls":{"level","by","place","implicit","names"},"login":{"file","place","user","problem","refused"},
//          "state":{"state": open or closed,"active","window","waiting","closed_until","out_of_reach_since","failures","why",
//          "paused":{"what","name","title","since","until","by","reason"}}}]
//   "retry" {"schedule","setting","place","times","expires","delay_warning","warning_setting","warning_place"}: of a message that
//          arrives now, by the rules of the first destination
// Of a message "id","in_queue","complete" (the queue has been read), and when it is there "now","envelope","size","attempts",
// "frozen","rerouted_to","next_attempt","under_way","waits_for","sites" and "recipients" [{"address","state": waiting,
// delivered or failed,"last":STATUS,"host","plan": of a waiting one the keys above with its own "retry"}], "plans_left_out".
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "control/server.hpp"
#include "policy/recipient.hpp"

namespace mansio::control {

// Bounds of one answer: past them the rest is counted. What is shown of a site costs questions to name servers.
inline constexpr std::size_t most_places_shown = 500, most_sites_shown = 20, most_plans_shown = 20;

class Explanation {
 public:
  using Json = nlohmann::json;

  struct Question {
    Question() = default;
    std::string address, sender;       // as typed; sender "": "<>"
    std::string client, user;          // "": not said
  };

  explicit Explanation(Services& services);

  // The verdict at RCPT and the plan.
  event::Task<Json> address(Question question);
  // What waits of a message, and the plan for each of its waiting recipients.
  event::Task<Json> message(std::shared_ptr<spool::Message> message);

 private:
  // explanation_verdict.cpp
  event::Task<Json> verdict(mail::Address address, const Question* question, const Json* plan);
  Json describe(const policy::Verdict& judged, const mail::Address& address) const;
  std::string relay_place(const std::string& domain) const;
  event::Task<Json> client_facts(const Question* question, config::ClientName* name, config::Match* may_relay) const;
  Json access_of(const std::string& client, const config::ClientName& name) const;
  // explanation.cpp; `transport`: of a message that an admin rerouted
  event::Task<Json> plan(mail::Address address, std::string sender, std::string transport);
  Json describe(const route::Destination& destination) const;
  Json describe(const route::Step& step) const;
  Json retry(const mail::Domain& domain, Time arrived, Time now) const;      // of what plan() looked at last
  // explanation_site.cpp
  event::Task<std::optional<std::size_t>> site(const route::Destination* destination, const std::string* sender);
  event::Task<Json> hosts(std::shared_ptr<const config::Transport> transport, const deliver::Site* site);
  Json describe_tls(const config::Transport& transport, const mail::Domain& domain) const;
  Json describe_login(const config::Transport& transport, const deliver::Site& site, const std::string& sender) const;
  Json state(const route::Destination& destination, const std::string& key, const std::string& sender);
  const queue::Lanes::Site* lane(queue::LaneKey key);
  std::string place_of(std::string_view setting) const;
  std::string setting_of(const config::Transport& transport, std::string_view leaf) const;

  Services& services_;
  queue::Queue& queue_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  std::string waits_for_, waits_by_;           // domain and route of the first destination of the last plan()
  Json sites_;                                 // of this answer, in the order they were met
  std::map<std::string, std::size_t> known_;   // next hop → index into sites_
  std::optional<std::vector<queue::Lanes::Site>> lanes_;      // as they were when one was first asked for
};

// {"code":550,"enhanced":"5.1.1","text":"...","line":"550 5.1.1 ..."}
nlohmann::json describe_status(const Status& status);

}  // namespace mansio::control
