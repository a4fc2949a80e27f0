// Lanes: which message may be attempted now. Each message that is due stands in one lane; a lane belongs to a destination:
// a site (the set of MX hosts, deliver/site.hpp), a domain whose site isn't known yet, or the local mailboxes. Lanes take
// turns, so that a destination with 100,000 messages delays one with a single message by one turn. A lane has a window of
// deliveries at once that grows with success and shrinks with failure; a lane whose site can't be reached is closed, and
// then costs one probe at a time (RFC 5321 §4.5.4.1). Pure: no clock, no coroutine, no log of its own.
// Memory: at most 24 bytes an entry, some 250 bytes a lane; a lane that nothing refers to any more is forgotten.
#pragma once
#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/status.hpp"
#include "queue/entry_list.hpp"
#include "spool/queue_id.hpp"

namespace mansio::queue {

// A lane's name as a number (XXH3): what waiting messages remember of their destination.
using LaneKey = std::uint64_t;
LaneKey lane_key(std::string_view name);

struct LaneOptions {
  LaneOptions() = default;
  std::uint32_t window = 1, window_limit = 20;
  bool adapts = true;           // local mailboxes and unresolved domains: a fixed window
};

class Lanes {
 public:
  // Makes the lane when it is new; `name` may be empty when only the key is known (its first visit names it). `options`
  // count when the lane is new or named here, and not when the lane is redirected.
  void push(LaneKey lane, std::string_view name, const LaneOptions& options, LaneEntry entry, bool front = false);

  // A seat in a lane: from take() to the end of the attempt, or until a visit to the same lane uses it up.
  struct Started {
    LaneEntry entry;
    LaneKey lane = 0;
    bool seated = true;         // kept by Lanes: the seat is still this attempt's
    std::uint64_t probe = 0;    // kept by Lanes: this attempt is the one that may go to a closed site
    bool proven = false;        // the lane has served lately: it won't take long
    bool retry = false;         // the lane has failed, or all its mail has: it may well be dead
  };
  // The next entry that may be started: lanes in turn, each only while it is open (or half-open and nobody probes) and has
  // room in its window; forced entries whenever there is room or the lane is closed. Takes a seat in its lane. There are three
  // rounds, which alternate: lanes that served lately, lanes with new mail, and those that are or were tried in vain. From
  // the rounds after `up_to` nothing is taken, so that ten thousand dead sites, each good for a time-out, hold up neither
  // the sites that serve nor new mail (S-125).
  enum class Round : std::uint8_t { proven, untried, retries };
  std::optional<Started> take(Time now, Round up_to = Round::retries);
  // The attempt that take() started has ended; its seat is free unless a visit used it up. Once for each Started.
  void end(const Started& started);

  // A delivery wants to connect to `site` on behalf of an attempt that started in `from` (whose seat it uses when it is the same
  // lane). admitted: leave() must follow.
  enum class Admission : std::uint8_t { admitted, full, closed };
  Admission enter(LaneKey site, std::string_view name, const LaneOptions& options, Started& from, bool forced, Time now);

  // How a visit ended, as far as the site goes.
  enum class Visit : std::uint8_t { reached, unreachable, neither };
  // `pause`: when unreachable, how long no delivery goes there, given how long the site has been out of reach (0: just now).
  template <class Pause>
  void leave(LaneKey site, Visit visit, const Status& why, Time now, Pause&& pause) {
    if (visit == Visit::unreachable) close(site, why, now, pause(outage(site, now)));
    else reopen(site, visit == Visit::reached);
  }

  // A lane's messages go to another one, now and later ones too: the domain's site became known. Nothing when they are one.
  // At most 100,000 are remembered.
  void redirect(LaneKey from, LaneKey to);
  // The lane that mail for `lane` goes to now: itself unless redirected.
  LaneKey resolve(LaneKey lane) const;
  void forget_redirects();       // after a reload: routes may have changed

  // Nothing is started from a lane that is held (an admin's pause, queue_pauses.cpp); what is pushed into it waits there.
  // A lane that leads elsewhere is held itself, and leads there no more. Until release_all().
  void hold(LaneKey lane, std::string_view name, const LaneOptions& options);     // as push()
  void release_all();
  bool is_held(LaneKey lane) const { const Lane* at = find(lane); return at != nullptr && at->held; }

  // All closed lanes may be probed now.
  void open_all(Time now);
  // When the first closed lane with entries may be probed; nullopt: none. A probe under way doesn't count.
  std::optional<Time> next_opening() const;
  // Entries of a lane that arrived before `arrived`, and are not warned (or any, with `also_warned`): taken out.
  std::vector<LaneEntry> overdue(LaneKey lane, Time arrived, bool also_warned);
  // Takes an entry out, wherever it stands. O(size of all lanes): for an admin's single command.
  bool remove(const spool::QueueId& id);
  void remove(const std::unordered_set<spool::QueueId>& ids);
  // Everything that waits in lanes, taken out: to be sorted anew. Seats, visits and closed lanes stay.
  std::vector<LaneEntry> drain();

  struct Site {                  // for listings and for the file that survives a restart
    LaneKey key = 0;
    std::string name;
    std::size_t ready = 0;
    std::uint32_t active = 0, window = 1, failures = 0;
    Time closed_until{}, outage_since{};      // epoch: open
    bool held = false;                        // by hold()
    Status why;
  };
  std::vector<Site> sites(bool closed_only) const;
  void restore(const Site& site);
  bool is_closed(LaneKey lane) const { const Lane* at = find(lane); return at != nullptr && at->outage != nullptr; }
  const Status* closed_why(LaneKey lane, Time now) const;   // nullptr: open, or it may be probed now

  // Of the lane that mail for `lane` goes to: its name ("": not known), and until when it is closed (epoch: it isn't).
  std::string_view name_of(LaneKey lane) const;
  Time closed_until(LaneKey lane) const;

  std::size_t size() const noexcept { return size_; }       // entries in all lanes
  std::size_t lanes() const noexcept { return lanes_.size(); }
  std::uint64_t looks() const noexcept { return looks_; }   // lanes that all calls of take() have looked at: what they cost

 private:
  // Where a closed lane stands in closed_: those with mail first, each by when something is to happen to it.
  using Slot = std::tuple<bool, Time, LaneKey>;              // without mail?, when, which
  struct Outage {
    Time since{}, until{}, forget_at{};                      // forget_at: set when half-open
    Status why;
    std::uint64_t probe = 0;                                 // the number of the one under way; 0: none
    std::uint32_t failures = 0;
    bool half_open = false, probe_entered = false;
    std::optional<Slot> slot;
  };
  struct Lane {
    EntryList entries;
    std::unique_ptr<EntryList> forced;
    std::unique_ptr<Outage> outage;                          // null: open
    std::string name;
    LaneOptions options;
    std::uint32_t window = 1, seats = 0, active = 0;
    std::optional<Round> in_turn;                            // and where:
    std::list<LaneKey>::iterator turn;
    bool held = false;
    bool reached = false;                                    // by a visit while others went on, and no failure since

    std::size_t mail() const noexcept { return entries.size() + (forced ? forced->size() : 0); }
    bool idle() const noexcept { return mail() == 0 && seats == 0 && active == 0 && !held; }
    bool proven() const noexcept { return !outage && window > 1; }
    Round round() const noexcept;
    bool may_start_forced() const noexcept;
    bool may_start() const noexcept;
  };

  Lane* find(LaneKey key) { auto it = lanes_.find(key); return it == lanes_.end() ? nullptr : &it->second; }
  const Lane* find(LaneKey key) const { auto it = lanes_.find(key); return it == lanes_.end() ? nullptr : &it->second; }
  Lane& obtain(LaneKey key, std::string_view name, const LaneOptions& options);
  void place(LaneKey key, Lane& lane);
  void stand_closed(LaneKey key, Lane& lane);
  void leave_turn(Lane& lane);
  void end_outage(Lane& lane);
  void wake(Time now);
  std::optional<Started> take_from(Round round);
  Started start(LaneKey key, Lane& lane);
  void close(LaneKey site, const Status& why, Time now, Duration pause);
  void reopen(LaneKey site, bool reached);
  Duration outage(LaneKey site, Time now) const;

  std::unordered_map<LaneKey, Lane> lanes_;
  std::unordered_map<LaneKey, LaneKey> redirects_;
  std::array<std::list<LaneKey>, 3> turns_;                  // a Round each: the lanes that may start something
  std::size_t beat_ = 0;                                     // whose turn it is
  std::set<Slot> closed_;
  std::size_t size_ = 0;
  std::uint64_t looks_ = 0, probes_ = 0;
};

}  // namespace mansio::queue
