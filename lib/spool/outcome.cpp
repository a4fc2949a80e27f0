// What becomes of a message: settled in part, deferred, changed, finished. lib/spool/STATES.md says why each order holds.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/file.hpp"
#include "spool/spool.hpp"

namespace mansio::spool {

// The message is no longer in the journal, nor in deferred/.
void Spool::forget(const QueueId& id) {
  if (auto it = index_.find(id); it != index_.end()) {
    --it->second.segment->live;
    index_.erase(it);
  }
  deferred_.erase(id);
  suspect_.erase(id);
}

void Spool::now_deferred(const QueueId& id) {
  forget(id);
  deferred_.insert(id);
}

static void use_up(Message& message) {
  message.content.owner.reset();
  message.content.memory.reset();
  message.content.fd = -1;
}

event::Task<Result<>> Spool::settle(std::shared_ptr<Message> message) {
  if (is_doubtful(message->id)) {
    auto alone = co_await keep_in_journal_alone(message->id);
    if (!alone) co_return alone;
  }
  if (!index_.contains(message->id)) {
    auto done = co_await settle_deferred(message);
    co_return done;
  }
  std::string text = format_progress(message->progress);
  Outgoing record(RecordType::settled, message->id);
  record.front = text;
  auto place = co_await journal_.append(std::move(record));
  if (!place) co_return std::unexpected(place.error());
  if (auto it = index_.find(message->id); it != index_.end()) it->second.progress = std::move(text);
  co_return {};
}

// One state after the other: the next one is written where the last one ended.
event::Task<Result<>> Spool::settle_deferred(std::shared_ptr<Message> message) {
  QueueId id = message->id;
  while (writing_.contains(id)) co_await written_.wait();
  if (!deferred_.contains(id)) co_return fail(Fault::not_found, "no such message");
  writing_.insert(id);
  bool rewrite = suspect_.contains(id);
  Progress progress = message->progress;      // of now: the loop goes on changing it
  auto work = [&] { return append_or_rewrite(id, progress, rewrite); };
  auto done = co_await files_.run(work);
  writing_.erase(id);
  if (done) suspect_.erase(id);
  else suspect_.insert(id);
  written_.fire();
  co_return done;
}

// D-003, D-055: after a failed sync what the file seems to hold is not believed; a new one takes its place.
Result<> Spool::append_or_rewrite(const QueueId& id, const Progress& progress, bool rewrite) const {
  auto file = read_deferred(shard_.deferred(), id);
  if (!file) return std::unexpected(file.error());
  if (rewrite) {
    return write_deferred(shard_.deferred(), id, file->envelope, file->head, file->file->get(), file->content_offset,
                          file->content_length, file->large, progress, true);
  }
  auto end = append_state(file->file->get(), file->states_end, progress);
  if (!end) return std::unexpected(end.error());
  return {};
}

// From the journal to deferred/. Nobody removes that file meanwhile.
event::Task<Result<>> Spool::write_whole(std::shared_ptr<Message> message, bool large) {
  QueueId id = message->id;
  while (writing_.contains(id)) co_await written_.wait();
  writing_.insert(id);
  auto done = co_await move_to_deferred(message, large);
  writing_.erase(id);
  written_.fire();
  co_return done;
}

event::Task<Result<>> Spool::move_to_deferred(std::shared_ptr<Message> message, bool large) {
  auto work = [&] {
    return write_deferred(shard_.deferred(), message->id, message->envelope, message->head, message->content.fd,
                          message->content.offset, message->content.length, large, message->progress, false);
  };
  auto written = co_await files_.run(work);
  if (!written) {
    if (auto it = index_.find(message->id); it != index_.end()) it->second.doubtful = true;
    co_return written;
  }
  Outgoing record(RecordType::moved, message->id);
  auto place = co_await journal_.append(std::move(record));
  if (!place) co_return std::unexpected(place.error());
  now_deferred(message->id);
  use_up(*message);
  journal_.recycle();
  co_return {};
}

event::Task<Result<>> Spool::defer(std::shared_ptr<Message> message) {
  auto it = index_.find(message->id);
  if (it == index_.end()) {
    auto done = co_await settle_deferred(message);
    co_return done;
  }
  bool large = it->second.large;
  auto done = co_await write_whole(message, large);
  co_return done;
}

event::Task<Result<>> Spool::rewrite(std::shared_ptr<Message> message) {
  QueueId id = message->id;
  if (message->progress.recipients.size() != message->envelope.recipients.size() || message->envelope.recipients.empty()) {
    co_return fail(Fault::invalid, "a message has a progress for each of its recipients, and one at least");
  }
  if (auto it = index_.find(id); it != index_.end()) {
    bool large = it->second.large;
    auto done = co_await write_whole(message, large);
    co_return done;
  }
  while (writing_.contains(id)) co_await written_.wait();
  if (!deferred_.contains(id)) co_return fail(Fault::not_found, "no such message");
  writing_.insert(id);
  auto work = [&]() -> Result<> {
    auto file = read_deferred(shard_.deferred(), id);
    if (!file) return std::unexpected(file.error());
    return write_deferred(shard_.deferred(), id, message->envelope, message->head, file->file->get(), file->content_offset,
                          file->content_length, file->large, message->progress, true);
  };
  auto done = co_await files_.run(work);
  writing_.erase(id);
  if (done) suspect_.erase(id);
  else suspect_.insert(id);
  use_up(*message);
  written_.fire();
  co_return done;
}

event::Task<Result<>> Spool::finish(std::shared_ptr<Message> message) {
  QueueId id = message->id;
  if (is_doubtful(id)) {
    auto alone = co_await keep_in_journal_alone(id);
    if (!alone) co_return alone;
  }
  auto it = index_.find(id);
  bool deferred = it == index_.end(), large = deferred || it->second.large;
  if (deferred) {
    auto settled = co_await settle_deferred(message);
    if (!settled) co_return settled;
  } else {
    Outgoing record(RecordType::done, id);
    auto place = co_await journal_.append(std::move(record));
    if (!place) co_return std::unexpected(place.error());
  }
  forget(id);
  use_up(*message);
  journal_.recycle();
  if (large) {
    auto work = [&] {
      if (deferred) ::unlink(deferred_path(shard_.deferred(), id).c_str());     // its state says that it is finished
      return remove_large(id);
    };
    auto removed = co_await files_.run(work);
    if (!removed) leave(id, removed.error());
    if (!removed) co_return {};
  }
  if (!left_.empty() && !removing_left_) scope_.spawn(remove_left());
  co_return {};
}

bool Spool::is_doubtful(const QueueId& id) const {
  auto it = index_.find(id);
  return it != index_.end() && it->second.doubtful;
}

// A file in deferred/ wins over the journal when both have a message (STATES.md), so nothing is written to the journal of one
// whose defer failed until that file is durably gone.
event::Task<Result<>> Spool::keep_in_journal_alone(QueueId id) {
  while (writing_.contains(id)) co_await written_.wait();
  if (!is_doubtful(id)) co_return {};
  writing_.insert(id);
  std::string path = deferred_path(shard_.deferred(), id);
  auto work = [&]() -> Result<> {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + path);
    auto synced = sync_directory(path.substr(0, path.find_last_of('/')));
    if (!synced && synced.error().fault() == Fault::not_found) return {};
    return synced;
  };
  auto done = co_await files_.run(work);
  if (auto it = index_.find(id); done && it != index_.end()) it->second.doubtful = false;
  writing_.erase(id);
  written_.fire();
  co_return done;
}

Result<> Spool::remove_large(const QueueId& id) const {
  std::string path = large_path(id);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + path);
  return {};
}

void Spool::leave(const QueueId& id, const Error& why) {
  constexpr std::size_t limit = 100'000;         // the next start looks for the others
  if (left_.empty()) notice_(fmt::format("spool: {}: no message needs it any more; tried again later", why.text()));
  if (left_.size() < limit) left_.push_back(id);
}

// One after the other, for as long as it works.
event::Task<> Spool::remove_left() {
  removing_left_ = true;
  bool going = true;
  while (going && !left_.empty()) {
    QueueId id = left_.back();
    left_.pop_back();
    auto work = [&] { return remove_large(id); };
    auto removed = co_await files_.run(work);
    going = removed.has_value();
    if (!going) left_.insert(left_.begin(), id);        // another one's turn next
  }
  removing_left_ = false;
}

event::Task<Result<>> Spool::remove(std::shared_ptr<Message> message, Status why) {
  for (RecipientProgress& recipient : message->progress.recipients) {
    if (recipient.settled()) continue;
    recipient.state = RecipientState::failed;
    recipient.last = why;
  }
  auto done = co_await finish(message);
  co_return done;
}

std::vector<QueueId> Spool::oldest_pinned(std::size_t segments_to_keep) const {
  std::vector<QueueId> out;
  std::uint64_t first_kept = journal_.serial_of_newest(segments_to_keep);
  if (first_kept == 0) return out;
  std::vector<std::pair<std::uint64_t, QueueId>> found;
  for (const auto& [id, entry] : index_) {
    std::uint64_t serial = entry.segment->header().serial;
    if (serial < first_kept) found.emplace_back(serial, id);
  }
  auto end = found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), pinned_limit));
  std::partial_sort(found.begin(), end, found.end());
  for (auto it = found.begin(); it != end; ++it) out.push_back(it->second);
  return out;
}

}  // namespace mansio::spool
