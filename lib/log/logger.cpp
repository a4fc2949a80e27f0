#include "log/logger.hpp"

#include <pthread.h>
#include <signal.h>

#include <fmt/format.h>

namespace mansio::log {
namespace {

// Lines that come within this time are written with one call.
constexpr std::chrono::milliseconds gathering{5};
// A batch this long is written at once.
constexpr std::size_t full_batch = 1000;

}  // namespace

Logger::Logger(LoggerOptions options) : queue_limit_(options.queue_limit) {
  // Signals are the main thread's business.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(&Logger::run, this, std::move(options));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Logger::~Logger() {
  {
    std::lock_guard lock(mutex_);
    pending_.stopping = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Logger::write(Event event) {
  if (observer_) observer_(event);
  Entry entry{std::chrono::system_clock::now(), std::move(event)};
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (pending_.entries.size() >= queue_limit_) {
      ++pending_.lost;
      lost_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    pending_.entries.push_back(std::move(entry));
    ++queued_total_;
    wake = std::exchange(waiting_, false) || pending_.entries.size() == full_batch;
  }
  if (wake) wake_.notify_one();
}

void Logger::write(Exchange exchange) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (pending_.exchanges.size() >= queue_limit_) {
      ++pending_.lost;
      lost_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    pending_.exchanges.push_back(std::move(exchange));
    ++queued_total_;
    wake = std::exchange(waiting_, false) || pending_.exchanges.size() == full_batch;
  }
  if (wake) wake_.notify_one();
}

void Logger::reopen() {
  {
    std::lock_guard lock(mutex_);
    pending_.reopen = true;
  }
  wake_.notify_one();
}

void Logger::reconfigure(LoggerOptions options) {
  {
    std::lock_guard lock(mutex_);
    queue_limit_ = options.queue_limit;
    pending_.options = std::move(options);
  }
  wake_.notify_one();
}

void Logger::flush() {
  std::unique_lock lock(mutex_);
  std::uint64_t target = queued_total_;
  ++flushing_;
  wake_.notify_one();
  written_.wait(lock, [&] { return written_total_ >= target; });
  --flushing_;
}

// Waits for work (no longer than `at_most`), then a little longer for more of it. `spare` keeps its memory in use.
Logger::Work Logger::take(std::optional<Duration> at_most, std::vector<Entry> spare) {
  std::unique_lock lock(mutex_);
  auto some = [&] { return !pending_.entries.empty() || !pending_.exchanges.empty() || pending_.options || pending_.reopen || pending_.stopping; };
  waiting_ = true;
  if (at_most) wake_.wait_for(lock, *at_most, some);
  else wake_.wait(lock, some);
  waiting_ = false;
  wake_.wait_for(lock, gathering, [&] {
    bool full = pending_.entries.size() >= full_batch || pending_.exchanges.size() >= full_batch;
    return full || flushing_ > 0 || pending_.stopping || (pending_.entries.empty() && pending_.exchanges.empty());
  });
  Work work = std::move(pending_);
  pending_ = Work{};
  pending_.entries = std::move(spare);
  pending_.stopping = work.stopping;
  return work;
}

void Logger::finished(std::uint64_t entries) {
  std::lock_guard lock(mutex_);
  written_total_ += entries;
  written_.notify_all();
}

void Logger::run(LoggerOptions options) {
  pthread_setname_np(pthread_self(), "log");
  auto writer = std::make_unique<Writer>(options);
  std::vector<Entry> spare;
  for (;;) {
    std::optional<Duration> at_most;
    if (writer->in_outage()) at_most = options.retry_interval;
    Work work = take(at_most, std::move(spare));
    if (work.options) {
      options = std::move(*work.options);
      writer = std::make_unique<Writer>(options);
    }
    if (work.reopen) writer->reopen();
    for (const Entry& entry : work.entries) writer->add(entry);
    for (const Exchange& exchange : work.exchanges) writer->add(exchange);
    Time now = std::chrono::system_clock::now();
    if (work.lost > 0) {
      writer->add(Entry{now, Notice{"", fmt::format("{} log lines were lost: the queue of the log was full", work.lost), true}});
    }
    writer->commit(now);
    writer->retry(now);
    finished(work.entries.size() + work.exchanges.size());
    if (work.stopping) return;
    spare = std::move(work.entries);
    spare.clear();
  }
}

}  // namespace mansio::log
