#include "spool/journal.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.hpp"
#include "base/sabotage.hpp"

namespace mansio::spool {
namespace {
constexpr std::size_t batch_bytes = 4 << 20, batch_records = 1024;
constexpr std::size_t spare_segments = 2;
}  // namespace

Journal::Journal(event::Loop& loop, event::Scope& scope, Options options, Notice notice)
    : loop_(loop), scope_(scope), options_(std::move(options)), notice_(std::move(notice)), thread_(loop, "journal", 1) {}

Result<> Journal::open(std::vector<std::shared_ptr<Segment>> old) {
  if (auto broken = sabotage_notice(); !broken.empty()) notice_(std::string(broken));
  for (auto& segment : old) {
    next_serial_ = std::max(next_serial_, segment->header().serial + 1);
    auto name = segment->path().substr(segment->path().find_last_of('/') + 1);
    next_slot_ = std::max<std::uint64_t>(next_slot_, std::strtoull(name.c_str(), nullptr, 10) + 1);
    used_.push_back(std::move(segment));
  }
  auto fresh = next_segment(nullptr);
  if (!fresh) return std::unexpected(fresh.error());
  used_.push_back(std::move(*fresh));
  check_space();
  return {};
}

// On the journal's thread (or at start): a reused segment, or a new file.
Result<std::shared_ptr<Segment>> Journal::next_segment(std::shared_ptr<Segment> reusable) {
  SegmentHeader header;
  header.serial = next_serial_;
  // Of the segments found at start the last one's batches are not counted: unknown says that its end may be torn.
  if (!used_.empty()) header.previous_batches = used_.back()->batches();
  if (reusable) {
    auto done = reusable->reuse(header);
    if (!done) {
      ::unlink(reusable->path().c_str());   // it may have this serial now, which goes to another
      return std::unexpected(done.error());
    }
    ++next_serial_;
    return reusable;
  }
  auto made = Segment::create(fmt::format("{}/{:06}.seg", options_.directory, next_slot_), options_.key, header);
  ++next_slot_;
  if (made) ++next_serial_;
  return made;
}

// ---- appending

struct Journal::Wait {
  Journal* journal;
  Pending* pending;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const {
    pending->waiting = waiting;
    journal->pending_.push_back(pending);
    if (!journal->running_) {
      journal->running_ = true;
      journal->scope_.spawn(journal->run());
    }
  }
  void await_resume() const noexcept {}
};

event::Task<Result<Place>> Journal::append(Outgoing record) {
  if (record.type == RecordType::message) {
    auto welcome = accepting();
    if (!welcome) co_return std::unexpected(welcome.error());
  }
  Pending pending(std::move(record));
  Wait wait{this, &pending};
  co_await wait;
  co_return std::move(pending.result);
}

Result<> Journal::accepting() {
  if (closing_) return fail(Fault::cancelled, "stopping");
  if (failed_) return std::unexpected(failure_);
  if (short_of_space_) return fail(Fault::full, "the spool's file system has less than spool.reserve left");
  return {};
}

event::Task<> Journal::run() {
  while (!pending_.empty()) {
    if (failed_) {     // closing: the segment that failed is not written again
      std::vector<Pending*> batch = take_batch();
      Result<> why = std::unexpected(failure_);
      finish(std::move(batch), why);
      continue;
    }
    auto rotated = co_await rotate();
    if (!rotated) {
      std::vector<Pending*> batch = take_batch();
      finish(std::move(batch), rotated);
    } else {
      co_await commit_batch();
    }
    if (failed_) co_await recover_from_failure();
  }
  running_ = false;
  idle_.fire();
}

event::Task<Result<>> Journal::rotate() {
  if (used_.back()->end() < options_.segment_size) co_return {};
  std::shared_ptr<Segment> reusable;
  if (!free_.empty()) {
    reusable = std::move(free_.front());
    free_.pop_front();
  }
  auto work = [this, &reusable] { return next_segment(std::move(reusable)); };
  auto next = co_await thread_.run(work);
  if (!next) co_return std::unexpected(next.error());
  used_.push_back(std::move(*next));
  recycle();
  co_return {};
}

std::vector<Journal::Pending*> Journal::take_batch() {
  std::vector<Pending*> batch;
  std::size_t bytes = 0;
  while (!pending_.empty() && batch.size() < batch_records && bytes < batch_bytes) {
    bytes += pending_.front()->record.length();
    batch.push_back(pending_.front());
    pending_.pop_front();
  }
  return batch;
}

event::Task<> Journal::commit_batch() {
  std::vector<Pending*> batch = take_batch();
  std::vector<Outgoing*> records;
  for (Pending* pending : batch) records.push_back(&pending->record);
  Segment* segment = used_.back().get();
  std::chrono::nanoseconds took{};
  auto work = [segment, &records, &took] {
    auto begin = std::chrono::steady_clock::now();
    auto done = segment->append(records);
    took = std::chrono::steady_clock::now() - begin;
    return done;
  };
  auto result = co_await thread_.run(work);
  if (options_.synced) options_.synced(records.size(), took);
  check_space();
  finish(std::move(batch), result);
}

void Journal::check_space() {
  if (used_.back()->free_space() >= options_.reserve || short_of_space_) return;
  short_of_space_ = true;
  notice_(fmt::format("spool: less than spool.reserve ({} bytes) left in {}: new mail is refused with 452 until there is room",
                      options_.reserve, options_.directory));
  if (!watching_space_) scope_.spawn(watch_space());
}

// Messages learn of the failure; outcomes go to the front of the queue again, in order.
void Journal::finish(std::vector<Pending*> batch, const Result<>& result) {
  if (!result && !failed_) {
    failed_ = true;
    failure_ = result.error();
    notice_(fmt::format("spool: {}: new mail is refused until a write to {} succeeds", result.error().text(), options_.directory));
  }
  std::vector<Pending*> again, done;
  for (Pending* pending : batch) {
    if (result) {
      pending->result->segment = used_.back();
      pending->result->offset = pending->record.payload_offset;
      pending->result->length = pending->record.length();
      if (pending->record.type == RecordType::message) ++used_.back()->live;
    } else if (pending->record.type == RecordType::message || closing_) {
      pending->result = std::unexpected(result.error());
    } else {
      again.push_back(pending);
      continue;
    }
    done.push_back(pending);
  }
  if (!result) {
    // Nor do the messages that were to come next wait for the disk to mend.
    std::erase_if(pending_, [&](Pending* pending) {
      if (pending->record.type != RecordType::message) return false;
      pending->result = std::unexpected(result.error());
      done.push_back(pending);
      return true;
    });
  }
  pending_.insert(pending_.begin(), again.begin(), again.end());
  for (Pending* pending : done) pending->waiting.resume();
}

// D-003: nothing is believed of the old segment; a new one written and synced is the probe that opens the door again.
event::Task<> Journal::recover_from_failure() {
  event::Timer timer(loop_);
  while (failed_) {
    if (closing_) co_return;
    co_await timer.sleep(Duration(1000));
    auto work = [this] { return next_segment(nullptr); };
    auto fresh = co_await thread_.run(work);
    if (!fresh) continue;
    used_.push_back(std::move(*fresh));
    failed_ = false;
    notice_("spool: writing works again, new mail is accepted");
    recycle();
  }
}

event::Task<> Journal::watch_space() {
  watching_space_ = true;
  event::Timer timer(loop_);
  while (short_of_space_ && !closing_) {
    co_await timer.sleep(Duration(1000));
    std::shared_ptr<Segment> segment = used_.back();
    auto work = [&segment] { return segment->measure_space(); };
    auto space = co_await thread_.run(work);
    if (space >= options_.reserve) {
      short_of_space_ = false;
      notice_("spool: there is room again, new mail is accepted");
    }
  }
  watching_space_ = false;
}

// ---- reuse

void Journal::recycle() {
  if (!recycling_) return;
  // Oldest first, and only while nobody reads it: see STATES.md.
  while (used_.size() > 1 && used_.front()->live == 0 && used_.front().use_count() == 1) {
    free_.push_back(std::move(used_.front()));
    used_.pop_front();
  }
  if (free_.size() > spare_segments && !removing_) scope_.spawn(remove_spare());
}

event::Task<> Journal::remove_spare() {
  removing_ = true;
  while (free_.size() > spare_segments) {
    std::shared_ptr<Segment> segment = std::move(free_.front());
    free_.pop_front();
    auto work = [&segment, this] {
      ::unlink(segment->path().c_str());
      segment.reset();   // the blocks go with the descriptor, which takes its time
      // Durable before the next older segment is overwritten: it may hold the `done` of what was in this one.
      return sync_directory(options_.directory);
    };
    auto synced = co_await thread_.run(work);
    if (!synced) notice_(fmt::format("spool: {}: {}", options_.directory, synced.error().text()));
  }
  removing_ = false;
}

event::Task<> Journal::close() {
  closing_ = true;
  while (running_) co_await idle_.wait();
}

}  // namespace mansio::spool
