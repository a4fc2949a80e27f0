// Queue: which message is tried when. New messages at once, waiting ones when their time comes, each in the lane of its
// destination (lanes.hpp), so many at a time. In memory are an id, a time and a lane for each waiting message; everything
// else is on disk (design: 200 bytes a message).
#pragma once
#include <algorithm>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/config.hpp"
#include "deliver/agent_pool.hpp"
#include "deliver/remote.hpp"
#include "deliver/turned.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "log/logger.hpp"
#include "queue/held.hpp"
#include "queue/lanes.hpp"
#include "queue/pauses.hpp"
#include "route/router.hpp"
#include "spool/spool.hpp"

namespace mansio::queue {

// What becomes of a message after an attempt.
struct After {
  After() = default;
  enum class What : std::uint8_t {
    finished,
    waits,       // until `due`
    in_lane,     // for its destination: for room, or until that is reached again
    frozen,      // until an admin thaws it
  };
  What what = What::finished;
  Time due{};
  LaneKey lane = 0;      // 0: not known
  bool warned = false;
};

class Queue {
 public:
  Queue(event::Loop& loop, event::Scope& scope, spool::Spool& spool, log::Logger& logger, deliver::AgentPool& agents,
        deliver::SiteFinder& finder, deliver::Remote& remote, config::ConfigPtr config, std::shared_ptr<route::Router> router);

  void configure(config::ConfigPtr config, std::shared_ptr<route::Router> router);
  // The file that keeps which destinations are out of reach over a restart; call before mail comes.
  void remember_sites(std::string path);

  // What an admin has paused (queue_pauses.cpp). The file keeps it; call before mail comes.
  void remember_pauses(std::string path);
  // In other than the first of several mail processes: the first writes the file, and tells what has changed in it.
  void read_pauses(const std::string& path);
  void take_pauses(std::vector<Pause> all);
  const PauseList& pauses() const noexcept { return pauses_; }
  // For a connection that came in at `local` or at the socket "unix:/path", or of a local program: not ok turns it away.
  Status turned_away(bool local_program, const event::Endpoint& local, std::string_view unix_path) const;
  // Durable, and in the log, when the answer comes; also after an error it counts until the next restart.
  event::Task<Result<>> pause(Pause pause);
  // The one of this kind and name, or all; those that were there.
  event::Task<std::vector<Pause>> resume(std::optional<Pause::What> what, std::string name, std::string by);

  void accept(std::shared_ptr<spool::Message> message);      // just committed
  void found(spool::QueueId id, Time next_attempt);          // by the spool's recovery
  void run_now();                                            // every waiting message is due (sendmail -q)
  void run_now(spool::QueueId id, bool forced);              // this one; `forced`: even to a closed destination, or frozen
  void run_now(const std::unordered_set<spool::QueueId>& ids, bool forced);      // wherever they stand, before all others
  // Those of `ids` whose time has not come; what stands in a lane already stays there, and every closed site may be probed.
  void run_now(const std::unordered_set<spool::QueueId>& ids);
  event::Task<> stop();                                      // starts nothing more; waits for attempts under way

  std::size_t waiting() const noexcept { return waiting_.size() + lanes_.size(); }
  // Of those that wait for their time, how many are known to be for this lane. O(all): for an admin.
  std::size_t waiting_for(LaneKey lane) const { return waiting_.count(lane); }
  std::size_t under_way() const noexcept { return under_way_.size(); }
  bool is_under_way(const spool::QueueId& id) const { return under_way_.contains(id); }
  // Ids of all messages, in order of arrival.
  std::vector<spool::QueueId> ids() const;
  // Why a message that was not tried yet waits: its destination is out of reach. "": it does not.
  std::string why_waiting(const spool::Message& message) const;
  const Lanes& lanes() const noexcept { return lanes_; }
  // Where a message stands and what for, as far as it is known without an attempt.
  struct Standing {
    Standing() = default;
    enum class State : std::uint8_t { waiting, due, trying, frozen, closed };
    State state = State::waiting;
    std::string destination;       // a lane's name: that of a site, "domain example.org", "local", "several"
    Time closed_until{};           // of the destination; epoch: it is open
    std::string why;               // it is closed
  };
  Standing standing(const spool::Message& message, Time now) const;

  // An admin's hand on a message: nobody else attempts it until let_go(). False: an attempt is under way.
  bool hold(const spool::QueueId& id);
  void let_go(const spool::QueueId& id, const After& after);

  // A bug in a coroutine of the queue: told in the panic log. Out of memory the process ends.
  void exception(std::exception_ptr e, const std::string& where = "queue: ");

  // What an attempt came to, when it could not be written down: as long as this run lasts, it is known all the same, and nobody
  // gets the message again because of it (D-067).
  void note_progress(const spool::Message& message, bool recorded);

  // For attempts.
  event::Loop& loop;
  spool::Spool& spool;
  log::Logger& log;
  deliver::AgentPool& agents;
  deliver::SiteFinder& finder;
  deliver::Remote& remote;
  event::Threads blocking;       // reading originals for reports: one thread
  config::ConfigPtr config() const { return config_; }
  std::shared_ptr<route::Router> router() const { return router_; }

  // A delivery to a site begins, where at most `most` may go on at once. A `patient` one waits for room as long as it takes.
  event::Task<Lanes::Admission> enter(LaneKey site, std::string name, std::uint32_t most, Lanes::Started* from, bool patient);
  // `first`: one of those that it was for.
  void leave(LaneKey site, Lanes::Visit visit, const Status& why, const route::Destination& first);
  // The lane of the message's domain alone; nullopt: it stands in one that it shares with others.
  std::optional<LaneKey> domain_lane(const spool::Message& message) const;
  // Mail that stands in the domain's lane `from` is for `site`.
  void site_known(LaneKey from, LaneKey site);
  // What holds up mail for the domain; `site`: its key, "" while it isn't known. Null: nothing.
  const Pause* paused(const config::Transport& transport, std::string_view domain, std::string_view site) const;
  // Nothing more is started from the lane where such mail stands, which is given: that of the site (0: not known), of the
  // domain, or one that they share.
  LaneKey hold_lane(std::optional<LaneKey> domain_lane, const Pause& pause, LaneKey site);
  // queue_held.cpp. Mail for the domain is not to be tried now, but when it is asked for.
  bool is_held(std::string_view domain) const;
  void note_held(std::string_view domain, const spool::QueueId& id);
  // Does the configuration hold mail of the node at all?
  bool is_fetched(const Node& node) const;
  // ETRN: what is there for the node is sent now; how much that is. Nullopt: others are asking just now.
  event::Task<std::optional<std::size_t>> start_node(Node node, std::string by);
  // ATRN: what is there for the nodes, and giving it; how many were tried. `turned` outlives it.
  event::Task<std::optional<std::unordered_set<spool::QueueId>>> find_waiting(std::vector<Node> nodes);
  event::Task<std::size_t> give_over(deliver::Turned* turned, std::unordered_set<spool::QueueId> ids, std::vector<Node> nodes);

  // What is known against a site that is closed.
  const Status* closed_why(LaneKey site) const;

 private:
  struct Waiting {
    Time due;
    spool::QueueId id;
    LaneKey lane;
    bool warned;
    bool operator>(const Waiting& other) const noexcept { return due > other.due; }
  };
  class WaitingQueue : public std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> {
   public:
    std::size_t count(LaneKey lane) const {
      return static_cast<std::size_t>(std::ranges::count(c, lane, &Waiting::lane));
    }
    // Takes out those that `wanted` names: O(all).
    template <class Wanted>
    std::vector<Waiting> extract(Wanted&& wanted) {
      auto kept = std::partition(c.begin(), c.end(), [&](const Waiting& one) { return !wanted(one); });
      std::vector<Waiting> out(kept, c.end());
      c.erase(kept, c.end());
      std::make_heap(c.begin(), c.end(), comp);
      return out;
    }
  };
  struct LaneOf {
    LaneOf(LaneKey k, std::string n, LaneOptions o, bool s) : key(k), name(std::move(n)), options(o), shared(s) {}
    LaneKey key;
    std::string name;
    LaneOptions options;
    bool shared;                 // not of one domain
  };

  struct Relief {                // messages on their way out of the journal
    Relief() = default;
    std::vector<spool::QueueId> ids;
    std::size_t next = 0, moved = 0;
  };

  static LaneKey unsorted_lane();
  void recall_progress(spool::Message& message) const;
  void forget_held();
  static bool waits_in(const spool::Message& message, const std::vector<Node>& nodes);
  bool take_aside(const spool::QueueId& id);
  std::string held_domain(const spool::Message& message) const;
  LaneOf lane_of(const spool::Message& message) const;
  void push(LaneKey lane, LaneEntry entry, bool front = false);
  void hurry(const Waiting& waiting);
  void sort_in(const LaneOf& lane, const std::shared_ptr<spool::Message>& message, LaneEntry entry);
  bool keep_in_memory(const std::shared_ptr<spool::Message>& message);
  std::shared_ptr<spool::Message> take_from_memory(const spool::QueueId& id);
  void pump();
  void occupy(const Lanes::Started& started);
  void vacate(const Lanes::Started& started);
  event::Task<> attempt(Lanes::Started started, bool last_look);
  event::Task<std::shared_ptr<spool::Message>> load(Lanes::Started* started, After* after);
  After after_bug(const spool::QueueId& id, const spool::Message* message, std::exception_ptr bug);
  void settle(const spool::QueueId& id, const After& after);
  void wait_until(spool::QueueId id, Time due, LaneKey lane, bool warned);
  event::Task<> watch_clock();
  void watch();
  void watch_lanes();
  void look_at_overdue(LaneKey site, const route::Destination& first);
  void relieve_journal();
  event::Task<> relieve(Relief relief);
  event::Task<> move_out(Relief* relief);
  event::Task<> save_sites();
  void sites_changed();
  event::Task<Result<>> resumed(std::vector<Pause> pauses, std::string by);
  event::Task<Result<>> keep_pauses();
  void watch_pauses();
  event::Task<> end_pauses();

  event::Scope& scope_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  bool sender_routes_ = false;
  Lanes lanes_;
  WaitingQueue waiting_;
  std::unordered_map<spool::QueueId, std::shared_ptr<spool::Message>> memory_;
  std::size_t memory_bytes_ = 0;
  std::unordered_map<spool::QueueId, spool::Progress> unrecorded_;
  std::unordered_set<spool::QueueId> under_way_;
  std::unordered_set<spool::QueueId> asked_again_;                   // of these: an admin ran the queue meanwhile
  std::unordered_map<spool::QueueId, Lanes::Started> held_back_;     // came up while somebody held the message
  std::deque<Lanes::Started> overdue_;                               // expired, or due for a warning, in closed lanes
  std::unordered_map<LaneKey, std::deque<std::coroutine_handle<>>> patient_;
  std::size_t active_ = 0, slow_ = 0, retries_ = 0, patient_count_ = 0, since_relief_ = 0;
  event::Timer clock_, save_timer_, pause_timer_;
  PauseList pauses_;
  HeldMail held_;
  event::Trigger attempt_ended_;
  std::string site_file_, pause_file_;
  Time wakes_at_{};              // when watch_clock() looks again
  bool stopping_ = false, pumping_ = false, watching_ = false, saving_ = false, sites_dirty_ = false, relieving_ = false,
       watching_pauses_ = false, looking_for_held_ = false;
};

}  // namespace mansio::queue
