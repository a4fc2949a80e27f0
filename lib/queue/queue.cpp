#include "queue/queue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <new>

#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {
constexpr std::size_t attempts_at_once = 500;
constexpr std::size_t slow_at_once = 300;            // of these, to destinations that may be dead
constexpr std::size_t retries_at_once = 200;         // of these, of mail that was tried in vain before
constexpr std::size_t overdue_at_once = 20;
constexpr Duration clock_step{60'000};               // the wall clock may jump: look again at least this often

// No mail waits longer than a day, or the longest interval of any schedule: a time after that is one of a clock that was ahead
// (D-095).
Time not_beyond_schedules(Time due, Time now, const config::Config& config) {
  if (due - now <= std::chrono::hours(1)) return due;
  Duration longest{std::chrono::hours(24)};
  auto take = [&](const std::vector<config::RetryStep>& schedule) {
    for (const config::RetryStep& step : schedule) longest = std::max(longest, step.interval);
  };
  for (const config::RetryRule& rule : config.retry) take(rule.schedule);
  for (const config::Route& route : config.routes) take(route.retry);
  for (const config::DomainSettings& group : config.domain_settings) take(group.retry);
  return std::min<Time>(due, now + longest);
}
}  // namespace


Queue::Queue(event::Loop& l, event::Scope& scope, spool::Spool& s, log::Logger& logger, deliver::AgentPool& pool,
             deliver::SiteFinder& site_finder, deliver::Remote& transports, config::ConfigPtr config, std::shared_ptr<route::Router> router)
    : loop(l), spool(s), log(logger), agents(pool), finder(site_finder), remote(transports), blocking(l, "reports", 1),
      scope_(scope), clock_(l), save_timer_(l), pause_timer_(l) {
  configure(std::move(config), std::move(router));
}

void Queue::configure(config::ConfigPtr config, std::shared_ptr<route::Router> router) {
  bool reload = config_ != nullptr && config_ != config;
  config_ = std::move(config);
  router_ = std::move(router);
  sender_routes_ = std::ranges::any_of(config_->routes, [](const config::Route& r) { return !r.senders.empty(); });
  remote.limit(config_->outbound_connections);
  if (!reload) return;
  // Routes may lead elsewhere now: what waits in lanes is sorted anew, and every closed site may be probed.
  lanes_.forget_redirects();
  lanes_.open_all(std::chrono::system_clock::now());
  for (const LaneEntry& entry : lanes_.drain()) push(unsorted_lane(), entry);
  pump();
}

// ---- what comes in; accept() is in queue_sort.cpp

void Queue::found(spool::QueueId id, Time next_attempt) { wait_until(id, next_attempt, 0, false); }

void Queue::wait_until(spool::QueueId id, Time due, LaneKey lane, bool warned) {
  if (lane == 0) lane = unsorted_lane();
  auto now = std::chrono::system_clock::now();
  due = not_beyond_schedules(due, now, *config_);
  if (due <= now) {
    LaneEntry entry;
    entry.id = id;
    entry.warned = warned;
    entry.tried = true;
    push(lane, entry);
    pump();
    return;
  }
  Waiting waiting{due, id, lane, warned};
  bool sooner = waiting_.empty() || due < waiting_.top().due;
  waiting_.push(waiting);
  if (sooner) watch();
}

void Queue::watch() {
  if (watching_) {
    clock_.wake();
  } else if (!stopping_) {
    watching_ = true;
    scope_.spawn(watch_clock());
  }
}

// A closed lane that got mail may be probed before anything else is due.
void Queue::watch_lanes() {
  auto opening = lanes_.next_opening();
  if (opening && (!watching_ || *opening < wakes_at_)) watch();
}

event::Task<> Queue::watch_clock() {
  Time before = std::chrono::system_clock::now();
  while (!stopping_) {
    Time now = std::chrono::system_clock::now();
    if (now < before - clock_step) {           // it was set back: what it said before is no time to wait for
      std::vector<Waiting> all = waiting_.extract([](const Waiting&) { return true; });
      for (Waiting& one : all) {
        one.due = not_beyond_schedules(one.due, now, *config_);
        waiting_.push(one);
      }
      lanes_.open_all(now);
    }
    before = now;
    wakes_at_ = now;
    while (!waiting_.empty() && waiting_.top().due <= now) {
      LaneEntry entry;
      entry.id = waiting_.top().id;
      entry.warned = waiting_.top().warned;
      entry.tried = true;
      LaneKey lane = waiting_.top().lane;
      waiting_.pop();
      push(lane, entry);
    }
    pump();
    auto opening = lanes_.next_opening();
    if (waiting_.empty() && !opening) break;
    wakes_at_ = waiting_.empty() ? *opening : opening ? std::min(*opening, waiting_.top().due) : waiting_.top().due;
    auto left = std::chrono::ceil<Duration>(wakes_at_ - std::chrono::system_clock::now());
    co_await clock_.sleep(std::clamp(left, Duration(1), clock_step));
  }
  watching_ = false;
}

void Queue::hurry(const Waiting& waiting) {
  LaneEntry entry;
  entry.id = waiting.id;
  entry.warned = waiting.warned;
  entry.hurried = entry.tried = true;
  push(waiting.lane, entry);
}

// An attempt that is under way may have found its trouble before it was mended: one more follows it.
void Queue::run_now() {
  asked_again_.insert(under_way_.begin(), under_way_.end());
  while (!waiting_.empty()) {
    hurry(waiting_.top());
    waiting_.pop();
  }
  lanes_.open_all(std::chrono::system_clock::now());
  watch();
  pump();
}

void Queue::run_now(const std::unordered_set<spool::QueueId>& ids) {
  std::ranges::copy_if(under_way_, std::inserter(asked_again_, asked_again_.end()), [&](const auto& id) { return ids.contains(id); });
  for (const Waiting& waiting : waiting_.extract([&](const Waiting& one) { return ids.contains(one.id); })) hurry(waiting);
  lanes_.open_all(std::chrono::system_clock::now());
  watch();
  pump();
}

void Queue::run_now(spool::QueueId id, bool forced) {
  std::unordered_set<spool::QueueId> one{id};
  run_now(one, forced);
}

void Queue::run_now(const std::unordered_set<spool::QueueId>& ids, bool forced) {
  if (ids.size() == 1) lanes_.remove(*ids.begin());
  else lanes_.remove(ids);
  waiting_.extract([&](const Waiting& one) { return ids.contains(one.id); });      // or they would be tried twice from now on
  for (const spool::QueueId& id : ids) {
    LaneEntry entry;
    entry.id = id;
    entry.forced = forced;
    entry.hurried = true;
    push(unsorted_lane(), entry, true);
  }
  pump();
}

// ---- attempts

// An attempt takes part of what may go on at once, and gives it back.
void Queue::occupy(const Lanes::Started& started) {
  ++active_;
  if (!started.proven) ++slow_;
  if (started.retry) ++retries_;
}

void Queue::vacate(const Lanes::Started& started) {
  --active_;
  if (!started.proven) --slow_;
  if (started.retry) --retries_;
}

// Not from within itself: an attempt that ends without waiting comes back here, and ten thousand such in a row would
// each stand on the stack of the one before.
void Queue::pump() {
  if (pumping_) return;
  pumping_ = true;
  Time now = std::chrono::system_clock::now();
  while (!stopping_ && active_ < attempts_at_once) {
    bool last_look = !overdue_.empty() && active_ < overdue_at_once;
    Lanes::Started started;
    if (last_look) {
      started = overdue_.front();
      overdue_.pop_front();
    } else {
      Lanes::Round up_to = Lanes::Round::retries;
      if (slow_ >= slow_at_once) up_to = Lanes::Round::proven;
      else if (retries_ >= retries_at_once) up_to = Lanes::Round::untried;
      auto next = lanes_.take(now, up_to);
      if (!next) break;
      started = *next;
    }
    if (!under_way_.insert(started.entry.id).second) {
      if (!last_look) lanes_.end(started);
      held_back_[started.entry.id] = started;
      continue;
    }
    occupy(started);
    scope_.spawn(attempt(started, last_look));
  }
  pumping_ = false;
  watch_lanes();
}

event::Task<> Queue::attempt(Lanes::Started started, bool last_look) {
  spool::QueueId id = started.entry.id;
  After after;
  std::shared_ptr<spool::Message> message;
  std::exception_ptr bug;
  try {
    message = co_await load(&started, &after);
  } catch (...) {
    bug = std::current_exception();
  }
  if (message != nullptr && started.lane == unsorted_lane() && !started.entry.forced) {
    lanes_.end(started);
    under_way_.erase(id);
    vacate(started);
    if (!held_back_.contains(id)) sort_in(lane_of(*message), message, started.entry);
    settle(id, After());
    pump();
    attempt_ended_.fire();
    co_return;
  }
  if (message != nullptr) {
    Attempt attempt(*this, message, &started, last_look);
    try {
      after = co_await attempt.run();
    } catch (...) {
      bug = std::current_exception();
    }
  }
  if (bug) after = after_bug(id, message.get(), bug);
  if (!last_look) lanes_.end(started);
  under_way_.erase(id);
  vacate(started);
  settle(id, after);
  pump();
  attempt_ended_.fire();
}

// A bug costs no mail, and not the others' either: the message is tried again, and what is delivered of it stays so.
After Queue::after_bug(const spool::QueueId& id, const spool::Message* message, std::exception_ptr bug) {
  exception(bug, id.text() + ": an attempt ended by a bug of mansio, the message is tried again in a minute: ");
  if (message != nullptr) note_progress(*message, false);
  After after;
  after.what = After::What::waits;
  after.due = std::chrono::system_clock::now() + after_trouble;
  return after;
}

// Null: not to be attempted now; `after` says what becomes of it.
event::Task<std::shared_ptr<spool::Message>> Queue::load(Lanes::Started* started, After* after) {
  spool::QueueId id = started->entry.id;
  auto message = take_from_memory(id);
  if (message != nullptr) co_return message;
  auto found = co_await spool.load(id);
  Time now = std::chrono::system_clock::now();
  if (!found) {
    // Damaged ones are in corrupt/ and told of; finished ones are gone; anything else may pass.
    if (found.error().fault() == Fault::invalid || found.error().fault() == Fault::not_found) co_return nullptr;
    log.panic(fmt::format("{}: cannot be read: {}", id.text(), found.error().text()));
    after->what = After::What::waits;
    after->due = now + after_trouble;
    co_return nullptr;
  }
  message = std::move(*found);
  recall_progress(*message);
  bool forced = started->entry.forced;
  if (message->progress.frozen && !forced) {
    after->what = After::What::frozen;
    co_return nullptr;
  }
  if (message->progress.frozen) {
    // Exim thaws by force, too. The order came while the message was looked at, else admin.cpp had done it.
    message->progress.frozen = false;
    log::Notice notice;
    notice.id = id.text();
    notice.text = "unfrozen by forced delivery";
    log.write(std::move(notice));
  }
  // What recovery knew of its time was only the file's date: the file itself says later (D-121).
  Time next = message->progress.next_attempt;
  bool early = next > now + std::chrono::seconds(1) && not_beyond_schedules(next, now, *config_) == next;
  if (early && started->lane == unsorted_lane() && !forced && !started->entry.hurried) {
    after->what = After::What::waits;
    after->due = next;
    co_return nullptr;
  }
  co_return message;
}

void Queue::note_progress(const spool::Message& message, bool recorded) {
  if (recorded) unrecorded_.erase(message.id);
  else unrecorded_.insert_or_assign(message.id, message.progress);
}

// An admin may have changed the message meanwhile: only what is done is taken over.
void Queue::recall_progress(spool::Message& message) const {
  auto known = unrecorded_.find(message.id);
  if (known == unrecorded_.end() || known->second.recipients.size() != message.progress.recipients.size()) return;
  for (std::size_t i = 0; i < message.progress.recipients.size(); ++i) {
    if (known->second.recipients[i].settled()) message.progress.recipients[i] = known->second.recipients[i];
  }
  auto& done = message.progress.done_places;
  done.insert(done.end(), known->second.done_places.begin(), known->second.done_places.end());
}

void Queue::settle(const spool::QueueId& id, const After& after) {
  bool asked = asked_again_.erase(id) > 0;
  // It came up again meanwhile: an admin asked for it, or its time came.
  if (auto again = held_back_.extract(id); !again.empty()) {
    if (after.what != After::What::finished || spool.contains(id)) push(again.mapped().lane, again.mapped().entry);
    return;
  }
  LaneEntry entry;
  entry.id = id;
  entry.warned = after.warned;
  entry.tried = true;
  switch (after.what) {
    case After::What::waits:
      if (asked) hurry(Waiting{after.due, id, after.lane == 0 ? unsorted_lane() : after.lane, after.warned});
      else wait_until(id, after.due, after.lane, after.warned);
      break;
    case After::What::in_lane: push(after.lane, entry); break;
    case After::What::finished: case After::What::frozen: break;
  }
}

// What is in memory is of before: whoever changes the message changes what the spool has.
bool Queue::hold(const spool::QueueId& id) {
  if (!under_way_.insert(id).second) return false;
  take_from_memory(id);
  return true;
}

void Queue::let_go(const spool::QueueId& id, const After& after) {
  under_way_.erase(id);
  settle(id, after);
  pump();
}

// ---- the rest

std::vector<spool::QueueId> Queue::ids() const {
  auto out = spool.ids();
  std::ranges::sort(out);
  return out;
}

void Queue::exception(std::exception_ptr e, const std::string& where) {
  try {
    std::rethrow_exception(e);
  } catch (const std::bad_alloc&) {
    // The message would be under way for ever. Whoever starts us again has its memory anew, and the spool knows the rest (D-079).
    log.panic("queue: out of memory: this process ends, to be started again");
    std::abort();
  } catch (const std::exception& bug) {
    log.panic(where + bug.what());
  }
}

event::Task<> Queue::stop() {
  stopping_ = true;
  clock_.wake();
  save_timer_.wake();
  pause_timer_.wake();
  auto lines = std::move(patient_);
  patient_.clear();
  for (auto& [site, line] : lines) {
    for (auto handle : line) handle.resume();
  }
  while (!under_way_.empty()) co_await attempt_ended_.wait();
}

}  // namespace mansio::queue
