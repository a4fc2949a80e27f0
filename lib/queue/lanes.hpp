// Lanes: which message may be attempted now. Each message that is due stands in one lane; a lane belongs to a destination:
// a site (the set of MX hosts, deliver/site.hpp), a domain whose site isn't known yet, or the local mailboxes. Lanes take
// turns, so that a destination with 100,000 messages delays one with a single message by one turn. A lane has a window of
// deliveries at once that grows with success and shrinks with failure; a lane whose site can't be reached is closed, and
// then costs one probe at a time (RFC 5321 §4.5.4.1). Pure: no clock, no coroutine, no log of its own.
// Memory: 24 bytes an entry; a lane that nothing refers to any more is forgotten.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/status.hpp"
#include "spool/queue_id.hpp"

namespace mansio::queue {

// A lane's name as a number (XXH3): what waiting messages remember of their destination.
using LaneKey = std::uint64_t;
LaneKey lane_key(std::string_view name);

struct LaneEntry {
  spool::QueueId id;
  bool forced = false;          // past a closed lane: an admin asked for it
  bool fresh = false;           // its message is in the queue's memory
  bool warned = false;          // its sender knows that it waits
};

struct LaneOptions {
  LaneOptions() = default;
  std::uint32_t window = 1, window_limit = 20;
  bool adapts = true;           // local mailboxes and unresolved domains: a fixed window
};

class Lanes {
 public:
  // Makes the lane when it is new; `name` may be empty when only the key is known (its first visit names it).
  void push(LaneKey lane, std::string_view name, const LaneOptions& options, LaneEntry entry, bool front = false);

  // A seat in a lane: from take() to the end of the attempt. Not copyable: given back once, by leave() or release().
  struct Started {
    LaneEntry entry;
    LaneKey lane = 0;
  };
  // The next entry that may be started: lanes in turn, each only while it is open (or half-open and nobody probes) and has
  // room in its window; forced entries whenever there is room or the lane is closed. Takes a seat in its lane.
  std::optional<Started> take(Time now);
  // The attempt that take() started has ended; its seat is free unless a visit used it up.
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
  void redirect(LaneKey from, LaneKey to);
  // The lane that mail for `lane` goes to now: itself unless redirected.
  LaneKey resolve(LaneKey lane) const;
  void forget_redirects();       // after a reload: routes may have changed

  // All closed lanes may be probed now.
  void open_all(Time now);
  // When the first closed lane with entries may be probed; nullopt: none.
  std::optional<Time> next_opening() const;
  // Entries of a closed lane that arrived before `arrived`, and are not warned (or any, with `also_warned`): taken out.
  std::vector<LaneEntry> overdue(LaneKey lane, Time arrived, bool also_warned);
  // Takes an entry out, wherever it stands. O(size of all lanes): for an admin's single command.
  bool remove(const spool::QueueId& id);
  // Everything that waits in lanes, taken out: to be sorted anew.
  std::vector<LaneEntry> drain();

  struct Site {                  // for listings and for the file that survives a restart
    LaneKey key = 0;
    std::string name;
    std::size_t ready = 0;
    std::uint32_t active = 0, window = 1, failures = 0;
    Time closed_until{}, outage_since{};      // epoch: open
    Status why;
  };
  std::vector<Site> sites(bool closed_only) const;
  void restore(const Site& site);
  const Status* closed_why(LaneKey lane, Time now) const;   // nullptr: open

  std::size_t size() const noexcept { return size_; }       // entries in all lanes

 private:
  struct Lane;
  void close(LaneKey site, const Status& why, Time now, Duration pause);
  void reopen(LaneKey site, bool reached);
  Duration outage(LaneKey site, Time now) const;

  std::unordered_map<LaneKey, std::unique_ptr<Lane>> lanes_;
  std::unordered_map<LaneKey, LaneKey> redirects_;
  std::deque<LaneKey> turn_;
  std::size_t size_ = 0;
};

}  // namespace mansio::queue
