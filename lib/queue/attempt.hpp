// One attempt at a message: route each waiting recipient anew, deliver to each place once, keep what happened durably,
// then finish, defer or expire it, with the reports that are due.
#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "event/scope.hpp"
#include "queue/queue.hpp"
#include "queue/report.hpp"
#include "queue/waiting_rules.hpp"

namespace mansio::queue {

// How far the spool being in trouble puts off the next try.
inline constexpr std::chrono::seconds after_trouble{60};

// The number of a route::Destination::key() in Progress::done_places.
std::uint64_t place_number(const std::string& key);

class Attempt {
 public:
  // `started`: the seat in a lane, which the attempt may use up. `last_look`: the message is overdue, so that a closed
  // destination counts as an attempt.
  Attempt(Queue& queue, std::shared_ptr<spool::Message> message, Lanes::Started* started, bool last_look);

  event::Task<After> run();
  // Before run(): what is for the nodes goes over that connection, and nothing else is tried. Both outlive the attempt.
  void give_over(deliver::Turned* turned, const std::vector<Node>* nodes);
  // Instead of run(): an admin gives the waiting recipients up, with the reports that a failure gets.
  event::Task<After> give_up(Status why);

 private:
  // Whom a file of a drop directory is for.
  struct Receiver {
    Receiver(mail::Address a, mail::Address o) : address(std::move(a)), original(std::move(o)) {}
    mail::Address address, original;
  };
  // A place a recipient leads to. Two recipients (or aliases) that lead to the same place share one delivery.
  struct Place {
    explicit Place(route::Destination d) : destination(std::move(d)) {}
    route::Destination destination;
    std::vector<std::size_t> recipients;
    std::vector<Receiver> receivers;         // drop alone
    std::set<std::string> receiver_texts;    // their addresses
    std::size_t receivers_size = 0;          // octets of these
    bool done = false;
    bool parked = false;           // not tried: its site has no room, or is out of reach
    bool broken = false;           // a bug of ours ended it: no reason to give up
    bool ours = false;             // decided here, before its host was asked
    bool relayed_without_dsn = false, pipelining = false, chunking = false;
    Status status{451, 4, 0, "not tried"};
    int number = 0;                // log::Deferral::number
    log::Host host;                // that said it
    std::optional<log::Tls> tls;   // of the connection to it
    std::string auth;              // "PLAIN:user", when logged in there
  };
  // Remote places with the same next hop and the same demand for TLS; then, once sites are known, with the same site.
  struct SiteJob {
    SiteJob() = default;
    std::shared_ptr<const config::Transport> transport;
    std::vector<Place*> places;
    deliver::TlsDemand tls;
    deliver::Site site;
    LaneKey lane = 0;
    Status status{451, 3, 0, "its hosts were not looked up"};      // of the search for the site
  };

  event::Task<> deliver_all();
  event::Task<> guard(event::Task<> work, std::vector<Place*> places);
  event::Task<> resolve(std::size_t recipient);
  Status reroute(route::Destination& destination) const;
  void add_place(std::size_t recipient, route::Destination destination);
  void add_drop(std::size_t recipient, route::Destination destination);           // attempt_drop.cpp
  void make_drop_job(const Place& place, deliver::Job& job) const;
  static std::string drop_key(const route::Destination& directory, const mail::Address& receiver);
  std::vector<std::uint64_t> numbers_of(const Place& place) const;
  bool is_the_only(const Place& place) const;
  event::Task<> deliver(Place* place);
  event::Task<> keep_progress();
  deliver::Job make_job(const Place& place) const;
  bool is_looping(const route::Destination& destination) const;

  // attempt_remote.cpp
  event::Task<> deliver_remote();
  event::Task<> find_site(SiteJob* job);
  void merge_sites();
  event::Task<> deliver_to_site(SiteJob* job, bool patient);
  struct Visited {
    Visited() = default;
    Lanes::Visit visit = Lanes::Visit::neither;
    Status why;                    // it is unreachable
  };
  event::Task<> visit_site(SiteJob* job, bool patient, Visited* visited);
  event::Task<deliver::RemoteOutcome> transact(const SiteJob* job, std::vector<Place*>* places);
  bool take_outcome(const deliver::RemoteOutcome& outcome, std::vector<Place*>* places);
  deliver::RemoteRecipient remote_recipient(const Place& place) const;
  void park_paused(SiteJob* job);        // queue_pauses.cpp
  void defer_held(SiteJob* job);         // queue_held.cpp
  event::Task<> deliver_over_turned();   // likewise
  deliver::RemoteRequest make_request(const SiteJob* job, const std::vector<Place*>& places) const;
  void hold_places(SiteJob* job, Lanes::Admission admission, bool patient);

  // attempt_end.cpp
  void conclude_recipients();
  struct Verdict {
    Verdict() = default;
    std::vector<Reported> failed, late, succeeded;
  };
  void judge(std::size_t recipient, Time now, Verdict& verdict);
  event::Task<After> conclude();
  event::Task<After> finish();
  event::Task<After> wait();
  bool waits_for_site_alone() const;
  event::Task<> report_success(std::vector<Reported> succeeded);
  event::Task<Result<>> report_failures(std::vector<Reported> failed);
  event::Task<Result<>> keep_as_badmail(std::vector<Reported> failed);
  event::Task<Result<>> report(std::vector<Reported> recipients);
  event::Task<> warn(std::vector<Reported> late);
  std::vector<WaitingRules> rules_of(std::size_t recipient) const;
  void keep_way(std::size_t recipient);
  std::optional<Time> next_time() const;

  // attempt_log.cpp
  void log_outcome(const Place& place);
  void log_outcome_for(const Place& place, const mail::Address& of, const mail::Address& from);
  void log_refusal(std::size_t recipient, const Status& status);

  Queue& queue_;
  std::shared_ptr<spool::Message> message_;
  Lanes::Started* started_;
  bool last_look_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  Time started_at_;
  std::map<std::string, std::unique_ptr<Place>> places_;
  std::vector<std::vector<Place*>> places_of_;                 // by recipient
  std::vector<std::optional<Status>> refused_;                 // by recipient: what routing said
  std::vector<bool> delivered_now_;                            // by recipient
  std::vector<std::unique_ptr<SiteJob>> sites_;
  event::Scope scope_;
  deliver::Turned* turned_ = nullptr;
  const std::vector<Node>* nodes_ = nullptr;
  LaneKey parked_in_ = 0;        // the lane of places that were not tried
  LaneKey unreachable_ = 0;      // the lane of the site that could not be reached
  bool keeping_ = false, dirty_ = false, first_logged_ = false;
};

}  // namespace mansio::queue
