// Journal: the segments in use and the group commit. While one fdatasync runs, records that come wait for the next;
// one sync acknowledges them all. Runs on the loop; writing and syncing on a thread of its own.
#pragma once
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "spool/segment.hpp"

namespace mansio::spool {

using Notice = std::function<void(const std::string&)>;   // for the panic log
// Told of each write to the journal: its records, and the time until they were durable (or could not be).
using Synced = std::function<void(std::size_t records, std::chrono::nanoseconds took)>;

struct Place {
  std::shared_ptr<Segment> segment;    // holding it keeps the segment from being reused
  std::uint64_t offset = 0, length = 0;   // of the payload
};

class Journal {
 public:
  struct Options {
    std::string directory;
    std::uint64_t key = 0;
    std::uint64_t segment_size = 64 << 20;
    std::uint64_t reserve = 64 << 20;     // new mail is refused when the file system has less left
    Synced synced;                        // may be empty
  };
  Journal(event::Loop& loop, event::Scope& scope, Options options, Notice notice);

  // Takes the segments found at start (oldest first; with their live counts still to be told by recovery) and opens a
  // new one to write to. Synchronous: at start only.
  Result<> open(std::vector<std::shared_ptr<Segment>> old);

  // Appends and waits for the sync. A message record fails when the disk does; an outcome record (settled, done,
  // moved) is kept and tried again until it is durable, so it fails only when the journal is closed.
  event::Task<Result<Place>> append(Outgoing record);

  // Is new mail welcome? Fault::full when space is short, Fault::system after a failed sync, until a probe succeeded.
  Result<> accepting();

  // Call when a segment lost a live message or a reader.
  void recycle();
  // Recovery counts live messages before segments may be reused.
  void allow_recycling() { recycling_ = true; recycle(); }

  event::Task<> close();    // writes what is pending

  std::size_t segments() const noexcept { return used_.size(); }
  // The serial of the oldest of the `newest` segments in use; 0: there are no older ones.
  std::uint64_t serial_of_newest(std::size_t newest) const noexcept {
    if (used_.size() <= newest) return 0;
    return newest == 0 ? UINT64_MAX : used_[used_.size() - newest]->header().serial;
  }

 private:
  struct Pending {
    explicit Pending(Outgoing r) : record(std::move(r)) {}
    Outgoing record;
    std::coroutine_handle<> waiting;
    Result<Place> result = Place();
  };
  struct Wait;

  event::Task<> run();
  event::Task<Result<>> rotate();
  event::Task<> commit_batch();
  event::Task<> recover_from_failure();
  event::Task<> watch_space();
  event::Task<> remove_spare();
  Result<std::shared_ptr<Segment>> next_segment(std::shared_ptr<Segment> reusable);
  std::vector<Pending*> take_batch();
  void finish(std::vector<Pending*> batch, const Result<>& result);
  void check_space();

  event::Loop& loop_;
  event::Scope& scope_;
  Options options_;
  Notice notice_;
  event::Threads thread_;
  std::deque<std::shared_ptr<Segment>> used_;      // oldest first; the last is written to
  std::deque<std::shared_ptr<Segment>> free_;      // oldest first
  std::deque<Pending*> pending_;
  event::Trigger idle_;
  std::uint64_t next_serial_ = 1, next_slot_ = 1;
  bool running_ = false, failed_ = false, short_of_space_ = false, recycling_ = false, closing_ = false, watching_space_ = false, removing_ = false;
  Error failure_{Fault::system, "journal not open"};
};

}  // namespace mansio::spool
