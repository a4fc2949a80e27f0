// The queue's side of the journal: what waits there for long moves out.
#include <fmt/format.h>

#include "queue/queue.hpp"

namespace mansio::queue {

// Messages for closed sites stay in the journal untouched; when they keep too much of it, the oldest move to deferred/.
void Queue::relieve_journal() {
  constexpr std::size_t step = 256, segments_to_keep = 4;
  if (++since_relief_ < step || relieving_) return;
  since_relief_ = 0;
  auto oldest = spool.oldest_pinned(segments_to_keep);
  if (oldest.empty()) return;
  relieving_ = true;
  scope_.spawn(move_out(std::move(oldest)));
}

event::Task<> Queue::move_out(std::vector<spool::QueueId> ids) {
  for (const auto& id : ids) {
    if (stopping_) break;
    if (!hold(id)) continue;
    take_from_memory(id);
    auto message = co_await spool.load(id);
    if (message) {
      auto moved = co_await spool.defer(*message);
      if (!moved) log.panic(fmt::format("{}: could not be moved to deferred/: {}", id.text(), moved.error().text()));
    }
    under_way_.erase(id);
    asked_again_.erase(id);      // its turn comes in its lane
    if (auto again = held_back_.extract(id); !again.empty()) push(again.mapped().lane, again.mapped().entry);
  }
  relieving_ = false;
  pump();
}

}  // namespace mansio::queue
