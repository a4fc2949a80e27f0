#include "queue/lanes.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace mansio::queue {
namespace {
constexpr std::uint32_t forced_at_once = 20;              // past a closed lane
constexpr std::size_t redirect_limit = 100'000;
constexpr Duration outage_memory{3'600'000};              // of a closed lane that no mail waits for, once it may be probed
}  // namespace

LaneKey lane_key(std::string_view name) { return checksum(name); }

bool Lanes::Lane::may_start_forced() const noexcept {
  return !held && forced && !forced->empty() && seats + active < (outage ? forced_at_once : window);
}

Lanes::Round Lanes::Lane::round() const noexcept {
  if (proven()) return Round::proven;
  bool news = may_start_forced() || (!outage && entries.untried() > 0);
  return news ? Round::untried : Round::retries;
}

bool Lanes::Lane::may_start() const noexcept {
  if (may_start_forced()) return true;
  if (held || entries.empty()) return false;
  return outage ? outage->half_open && outage->probe == 0 : seats + active < window;
}

// The lane, made when it is new. Only who names it knows what kind it is.
Lanes::Lane& Lanes::obtain(LaneKey key, std::string_view name, const LaneOptions& options) {
  auto [it, fresh] = lanes_.try_emplace(key);
  Lane& lane = it->second;
  if (!fresh && name.empty()) return lane;
  if (!name.empty() && lane.name != name) lane.name = name;
  bool as_before = !fresh && lane.options.adapts && options.adapts;
  lane.options = options;
  lane.options.window = std::max(1u, options.window);
  lane.options.window_limit = std::max(lane.options.window, options.window_limit);
  lane.window = as_before ? std::min(lane.window, lane.options.window_limit) : lane.options.window;
  return lane;
}

// Puts the lane where it belongs after a change: into the turn, among the closed ones, or away. `lane` may be gone after.
void Lanes::place(LaneKey key, Lane& lane) {
  stand_closed(key, lane);
  Round round = lane.round();
  bool starts = lane.may_start();
  if (lane.in_turn && (!starts || *lane.in_turn != round)) leave_turn(lane);
  if (starts && !lane.in_turn) {
    auto& turn = turns_[static_cast<std::size_t>(round)];
    lane.turn = turn.insert(turn.end(), key);
    lane.in_turn = round;
  }
  if (lane.forced && lane.forced->empty()) lane.forced.reset();
  if (lane.idle() && !lane.outage && !lane.in_turn) lanes_.erase(key);
}

void Lanes::leave_turn(Lane& lane) {
  turns_[static_cast<std::size_t>(*lane.in_turn)].erase(lane.turn);
  lane.in_turn.reset();
}

void Lanes::stand_closed(LaneKey key, Lane& lane) {
  if (!lane.outage) return;
  Outage& outage = *lane.outage;
  std::optional<Slot> slot;
  if (!outage.half_open) slot = Slot(lane.mail() == 0, outage.until, key);
  else if (lane.idle()) slot = Slot(true, outage.forget_at, key);
  if (slot == outage.slot) return;
  if (outage.slot) closed_.erase(*outage.slot);
  if (slot) closed_.insert(*slot);
  outage.slot = slot;
}

void Lanes::end_outage(Lane& lane) {
  if (!lane.outage) return;
  if (lane.outage->slot) closed_.erase(*lane.outage->slot);
  lane.outage.reset();
  lane.window = lane.options.window;
}

// What has to happen to closed lanes by now: they may be probed, or are forgotten.
void Lanes::wake(Time now) {
  auto due = [&](std::set<Slot>::const_iterator it) { return it != closed_.end() && std::get<Time>(*it) <= now; };
  for (auto it = closed_.cbegin(); due(it) && !std::get<bool>(*it); it = closed_.cbegin()) {
    LaneKey key = std::get<LaneKey>(*it);
    Lane& lane = *find(key);
    lane.outage->half_open = true;
    lane.outage->forget_at = now + outage_memory;
    place(key, lane);
  }
  const Slot first_empty(true, Time::min(), 0);
  for (auto it = closed_.lower_bound(first_empty); due(it); it = closed_.lower_bound(first_empty)) {
    LaneKey key = std::get<LaneKey>(*it);
    Lane& lane = *find(key);
    if (lane.outage->half_open) {
      end_outage(lane);
    } else {
      lane.outage->half_open = true;
      lane.outage->forget_at = now + outage_memory;
    }
    place(key, lane);
  }
}

// ---- entries

void Lanes::push(LaneKey key, std::string_view name, const LaneOptions& options, LaneEntry entry, bool front) {
  LaneKey target = resolve(key);
  Lane& lane = target == key ? obtain(key, name, options) : obtain(target, {}, LaneOptions());
  if (entry.forced && !lane.forced) lane.forced = std::make_unique<EntryList>();
  EntryList& list = entry.forced ? *lane.forced : lane.entries;
  if (front) list.push_front(entry);
  else list.push_back(entry);
  ++size_;
  place(target, lane);
}

std::optional<Lanes::Started> Lanes::take(Time now, Round up_to) {
  // Every second start is one that won't take long.
  constexpr std::array beats{Round::proven, Round::untried, Round::proven, Round::retries};
  wake(now);
  std::optional<Started> started;
  for (std::size_t i = 0; i < beats.size() && !started; ++i) {
    Round round = beats[beat_++ % beats.size()];
    if (round <= up_to) started = take_from(round);
  }
  return started;
}

std::optional<Lanes::Started> Lanes::take_from(Round round) {
  auto& turn = turns_[static_cast<std::size_t>(round)];
  if (turn.empty()) return std::nullopt;
  ++looks_;
  LaneKey key = turn.front();
  Lane& lane = *find(key);       // a lane in the turn is never erased
  leave_turn(lane);
  Started started = start(key, lane);
  started.retry = round == Round::retries;
  place(key, lane);
  return started;
}

Lanes::Started Lanes::start(LaneKey key, Lane& lane) {
  Started started;
  started.lane = key;
  started.proven = lane.proven();
  started.entry = lane.may_start_forced() ? lane.forced->pop_front() : lane.entries.pop_front();
  if (lane.outage && lane.outage->half_open && lane.outage->probe == 0) {
    lane.outage->probe = started.probe = ++probes_;
    lane.outage->probe_entered = false;
  }
  ++lane.seats;
  --size_;
  return started;
}

void Lanes::end(const Started& started) {
  Lane* lane = started.seated ? find(started.lane) : nullptr;
  if (lane == nullptr || lane->seats == 0) return;
  --lane->seats;
  // The probe never went there: the next one may.
  if (lane->outage && started.probe != 0 && lane->outage->probe == started.probe) lane->outage->probe = 0;
  place(started.lane, *lane);
}

// ---- visits

Lanes::Admission Lanes::enter(LaneKey site, std::string_view name, const LaneOptions& options, Started& from, bool forced, Time now) {
  wake(now);
  Lane& lane = obtain(site, name, options);
  bool own_seat = from.seated && from.lane == site && lane.seats > 0;
  std::uint32_t busy = lane.seats + lane.active - (own_seat ? 1 : 0);
  Admission answer = Admission::admitted;
  if (lane.outage) {
    Outage& outage = *lane.outage;
    bool probes = own_seat && from.probe != 0 && from.probe == outage.probe;
    if (!probes && outage.half_open && outage.probe == 0) {
      outage.probe = ++probes_;
      probes = true;
    }
    if (probes) outage.probe_entered = true;
    else if (!forced) answer = Admission::closed;
    else if (busy >= forced_at_once) answer = Admission::full;
  } else if (busy >= lane.window) {
    answer = Admission::full;
  }
  if (answer == Admission::admitted) {
    if (own_seat) {
      --lane.seats;
      from.seated = false;
    }
    if (lane.active++ == 0) lane.reached = false;
  }
  place(site, lane);
  // A seat in the lane that was redirected here is worth no more than one here: the visit stands for it now.
  if (answer == Admission::admitted && from.seated && from.lane != site && resolve(from.lane) == site) {
    end(from);
    from.seated = false;
  }
  return answer;
}

void Lanes::reopen(LaneKey site, bool reached) {
  Lane* lane = find(site);
  if (lane == nullptr || lane->active == 0) return;
  --lane->active;
  if (reached) {
    if (lane->outage) end_outage(*lane);
    else if (lane->options.adapts) lane->window = std::min(lane->window + 1, lane->options.window_limit);
    lane->reached = true;
  } else if (lane->outage && lane->outage->probe_entered && lane->active == 0) {
    lane->outage->probe = 0;
    lane->outage->probe_entered = false;
  }
  place(site, *lane);
}

void Lanes::close(LaneKey site, const Status& why, Time now, Duration pause) {
  Lane* lane = find(site);
  if (lane == nullptr || lane->active == 0) return;
  --lane->active;
  if (!lane->outage && (lane->active > 0 || lane->reached)) {
    // Somebody else got through, or still may: fewer at once, and the lane stays open.
    if (lane->options.adapts) lane->window = std::min(lane->window, std::max(1u, lane->active));
    lane->reached = false;
    place(site, *lane);
    return;
  }
  if (!lane->outage) {
    lane->outage = std::make_unique<Outage>();
    lane->outage->since = now;
  }
  Outage& outage = *lane->outage;
  ++outage.failures;
  outage.why = why;
  outage.until = now + std::max(pause, Duration(0));
  outage.half_open = outage.probe_entered = false;
  outage.probe = 0;
  place(site, *lane);
}

Duration Lanes::outage(LaneKey site, Time now) const {
  const Lane* lane = find(site);
  if (lane == nullptr || !lane->outage || now < lane->outage->since) return Duration(0);
  return std::chrono::duration_cast<Duration>(now - lane->outage->since);
}

// ---- redirects

LaneKey Lanes::resolve(LaneKey lane) const {
  // No circles: redirect() ends each chain at a lane that isn't redirected.
  for (auto it = redirects_.find(lane); it != redirects_.end(); it = redirects_.find(lane)) lane = it->second;
  return lane;
}

void Lanes::redirect(LaneKey from, LaneKey to) {
  if (from == to || is_held(from)) return;
  if (redirects_.size() >= redirect_limit) redirects_.clear();
  // The latest word counts: when `to` has led here, it no longer does.
  redirects_.erase(from);
  if (resolve(to) == from) redirects_.erase(to);
  redirects_[from] = to;
  to = resolve(to);
  Lane* source = find(from);
  if (source == nullptr || source->mail() == 0) return;
  Lane& target = obtain(to, {}, LaneOptions());
  auto all = [](const LaneEntry&) { return true; };
  source->entries.extract(all, [&](const LaneEntry& entry) { target.entries.push_back(entry); });
  if (source->forced) {
    if (!target.forced) target.forced = std::make_unique<EntryList>();
    source->forced->extract(all, [&](const LaneEntry& entry) { target.forced->push_back(entry); });
  }
  place(to, target);
  place(from, *source);
}

void Lanes::forget_redirects() { redirects_.clear(); }

// ---- closed lanes

void Lanes::open_all(Time now) {
  std::vector<LaneKey> keys;
  for (const auto& [key, lane] : lanes_) {
    if (lane.outage && !lane.outage->half_open) keys.push_back(key);
  }
  for (LaneKey key : keys) {
    Lane& lane = *find(key);
    lane.outage->until = now;
    lane.outage->half_open = true;
    lane.outage->forget_at = now + outage_memory;
    place(key, lane);
  }
}

std::optional<Time> Lanes::next_opening() const {
  if (closed_.empty() || std::get<bool>(*closed_.begin())) return std::nullopt;
  return std::get<Time>(*closed_.begin());
}

const Status* Lanes::closed_why(LaneKey key, Time now) const {
  const Lane* lane = find(resolve(key));
  if (lane == nullptr || !lane->outage) return nullptr;
  return lane->outage->until > now || lane->outage->probe != 0 ? &lane->outage->why : nullptr;
}

// ---- taking entries out

std::vector<LaneEntry> Lanes::overdue(LaneKey key, Time arrived, bool also_warned) {
  std::vector<LaneEntry> out;
  Lane* lane = find(key);
  if (lane == nullptr) return out;
  auto wanted = [&](const LaneEntry& entry) { return entry.id.time() < arrived && (also_warned || !entry.warned); };
  auto taken = [&](const LaneEntry& entry) { out.push_back(entry); };
  lane->entries.extract(wanted, taken);
  if (lane->forced) lane->forced->extract(wanted, taken);
  size_ -= out.size();
  place(key, *lane);
  return out;
}

bool Lanes::remove(const spool::QueueId& id) {
  for (auto& [key, lane] : lanes_) {
    std::size_t before = lane.mail();
    auto wanted = [&](const LaneEntry& entry) { return entry.id == id; };
    auto taken = [](const LaneEntry&) {};
    lane.entries.extract(wanted, taken);
    if (lane.forced) lane.forced->extract(wanted, taken);
    if (lane.mail() == before) continue;
    size_ -= before - lane.mail();
    place(LaneKey(key), lane);
    return true;
  }
  return false;
}

void Lanes::remove(const std::unordered_set<spool::QueueId>& ids) {
  auto wanted = [&](const LaneEntry& entry) { return ids.contains(entry.id); };
  auto taken = [&](const LaneEntry&) { --size_; };
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    auto& [key, lane] = *it++;           // place() may make an end of it
    lane.entries.extract(wanted, taken);
    if (lane.forced) lane.forced->extract(wanted, taken);
    place(LaneKey(key), lane);
  }
}

std::vector<LaneEntry> Lanes::drain() {
  std::vector<LaneEntry> out;
  out.reserve(size_);
  auto all = [](const LaneEntry&) { return true; };
  auto taken = [&](const LaneEntry& entry) { out.push_back(entry); };
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    Lane& lane = it->second;
    lane.entries.extract(all, taken);
    if (lane.forced) lane.forced->extract(all, taken);
    if (lane.in_turn) leave_turn(lane);
    LaneKey key = (it++)->first;
    place(key, lane);
  }
  size_ = 0;
  return out;
}

}  // namespace mansio::queue
