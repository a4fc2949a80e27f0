#include "queue/queue.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {
constexpr std::size_t attempts_at_once = 200;
constexpr std::size_t messages_in_memory = 1000;     // ready ones; more are loaded when their turn comes
constexpr Duration clock_step{60'000};               // the wall clock may jump: look again at least this often
}  // namespace

Queue::Queue(event::Loop& l, event::Scope& scope, spool::Spool& s, log::Logger& logger, deliver::AgentPool& pool,
             config::ConfigPtr config, std::shared_ptr<route::Router> router)
    : loop(l), spool(s), log(logger), agents(pool), blocking(l, "reports", 1), scope_(scope), config_(std::move(config)),
      router_(std::move(router)), clock_(l) {}

void Queue::configure(config::ConfigPtr config, std::shared_ptr<route::Router> router) {
  config_ = std::move(config);
  router_ = std::move(router);
}

void Queue::accept(std::shared_ptr<spool::Message> message) {
  Ready ready;
  ready.id = message->id;
  if (ready_in_memory_ < messages_in_memory) {
    ready.message = std::move(message);
    ++ready_in_memory_;
  }
  ready_.push_back(std::move(ready));
  pump();
}

void Queue::found(spool::QueueId id, Time next_attempt) { wait_until(id, next_attempt); }

void Queue::wait_until(spool::QueueId id, Time due) {
  if (due <= std::chrono::system_clock::now()) {
    Ready ready;
    ready.id = id;
    ready_.push_back(std::move(ready));
    pump();
    return;
  }
  Waiting waiting;
  waiting.due = due;
  waiting.id = id;
  bool sooner = waiting_.empty() || due < waiting_.top().due;
  waiting_.push(waiting);
  if (!watching_) {
    watching_ = true;
    scope_.spawn(watch_clock());
  } else if (sooner) {
    clock_.wake();
  }
}

event::Task<> Queue::watch_clock() {
  while (!stopping_ && !waiting_.empty()) {
    auto now = std::chrono::system_clock::now();
    std::size_t due = 0;
    while (!waiting_.empty() && waiting_.top().due <= now) {
      Ready ready;
      ready.id = waiting_.top().id;
      waiting_.pop();
      ready_.push_back(std::move(ready));
      ++due;
    }
    if (due > 0) pump();
    if (waiting_.empty() || stopping_) break;
    auto left = std::chrono::ceil<Duration>(waiting_.top().due - std::chrono::system_clock::now());
    co_await clock_.sleep(std::clamp(left, Duration(1), clock_step));
  }
  watching_ = false;
}

void Queue::run_now() {
  while (!waiting_.empty()) {
    Ready ready;
    ready.id = waiting_.top().id;
    ready.forced = true;
    waiting_.pop();
    ready_.push_back(std::move(ready));
  }
  clock_.wake();
  pump();
}

void Queue::pump() {
  while (!stopping_ && !ready_.empty() && under_way_.size() < attempts_at_once) {
    Ready ready = std::move(ready_.front());
    ready_.pop_front();
    if (ready.message) --ready_in_memory_;
    if (!under_way_.insert(ready.id).second) continue;
    scope_.spawn(attempt(std::move(ready)));
  }
}

event::Task<> Queue::attempt(Ready ready) {
  std::shared_ptr<spool::Message> message = std::move(ready.message);
  Time now = std::chrono::system_clock::now();
  std::optional<Time> next;
  bool loaded = true;
  if (!message) {
    auto found = co_await spool.load(ready.id);
    if (found && !ready.forced && (*found)->progress.next_attempt > now + std::chrono::seconds(1)) {
      // What recovery knew of its time was only the file's date: the file itself says later (D-121).
      loaded = false;
      next = (*found)->progress.next_attempt;
    } else if (found) {
      message = std::move(*found);
    } else {
      loaded = false;
      // Damaged ones are in corrupt/ and told of; anything else may pass.
      if (found.error().fault() != Fault::invalid && found.error().fault() != Fault::not_found) {
        log.panic(fmt::format("{}: cannot be read: {}", ready.id.text(), found.error().text()));
        next = now + after_trouble;
      }
    }
  }
  if (loaded) {
    Attempt attempt(*this, message);
    next = co_await attempt.run();
  }
  under_way_.erase(ready.id);
  if (next) wait_until(ready.id, *next);
  pump();
  attempt_ended_.fire();
}

std::vector<spool::QueueId> Queue::ids() const {
  auto out = spool.ids();
  std::ranges::sort(out);
  return out;
}

void Queue::exception(std::exception_ptr e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& bug) {
    log.panic(fmt::format("queue: {}", bug.what()));
  }
}

event::Task<> Queue::stop() {
  stopping_ = true;
  clock_.wake();
  while (!under_way_.empty()) co_await attempt_ended_.wait();
}

}  // namespace mansio::queue
