// Writes events to mainlog, rejectlog and paniclog, on a thread of its own: whoever logs moves the event into a
// bounded queue and goes on (D-008). Past the bound events are counted, and the panic log tells how many were lost.
// A missing or full log directory never stops anything: lines go to stderr and syslog instead, and the panic log
// tells so once it works again. A Logger doesn't survive fork(): make one in each process. SIGPIPE must be ignored.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "log/event.hpp"
#include "log/writer.hpp"

namespace mansio::log {

class Logger {
 public:
  explicit Logger(LoggerOptions options);
  ~Logger();                              // writes what is queued, then joins
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // Called with each event before it is queued, by whoever writes it: quick, and from any thread. Set before other threads
  // write; kept as long as the Logger lives.
  void observe(std::function<void(const Event&)> observer) { observer_ = std::move(observer); }
  std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }   // events that found no room, in all

  // From any thread; never waits for anything but other callers' moves into the queue.
  void write(Event event);
  void write(Exchange exchange);             // into w3clog
  void notice(std::string text) { write(Notice{"", std::move(text), false}); }
  void panic(std::string text) { write(Notice{"", std::move(text), true}); }

  void reopen();                             // after rotation: files are opened anew before the next lines
  void reconfigure(LoggerOptions options);   // after a reload: from the next lines on
  void flush();                              // waits until what was written before this call is out

 private:
  struct Work {                              // what the thread takes at once
    std::vector<Entry> entries;
    std::vector<Exchange> exchanges;
    std::optional<LoggerOptions> options;
    std::uint64_t lost = 0;
    bool reopen = false, stopping = false;
  };
  void run(LoggerOptions options);
  Work take(std::optional<Duration> at_most, std::vector<Entry> spare);
  void finished(std::uint64_t entries);

  std::mutex mutex_;
  std::condition_variable wake_, written_;
  Work pending_;
  std::size_t queue_limit_;
  std::function<void(const Event&)> observer_;
  std::atomic<std::uint64_t> lost_{0};
  std::uint64_t queued_total_ = 0, written_total_ = 0;
  std::size_t flushing_ = 0;                 // callers inside flush()
  bool waiting_ = false;                     // the thread sleeps until there is work
  std::thread thread_;
};

}  // namespace mansio::log
