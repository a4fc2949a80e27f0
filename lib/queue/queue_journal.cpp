// The queue's side of the journal: messages for closed sites stay there untouched; when they keep too much of it, the
// oldest move to deferred/.
#include <fmt/format.h>

#include "queue/queue.hpp"

namespace mansio::queue {
namespace {
constexpr std::size_t look_every = 256, segments_to_keep = 4;
constexpr unsigned at_once = 3;          // the file system joins the syncs of some; others need its threads too
}  // namespace

void Queue::relieve_journal() {
  if (++since_relief_ < look_every || relieving_) return;
  since_relief_ = 0;
  Relief relief;
  relief.ids = spool.oldest_pinned(segments_to_keep);
  if (relief.ids.empty()) return;
  relieving_ = true;
  scope_.spawn(relieve(std::move(relief)));
}

// Until nothing old is left, also when no more mail comes.
event::Task<> Queue::relieve(Relief relief) {
  auto told = [this](std::exception_ptr e) { exception(e); };
  while (!stopping_ && !relief.ids.empty()) {
    event::Scope movers(told);
    for (unsigned i = 0; i < at_once; ++i) movers.spawn(move_out(&relief));
    co_await movers.join();
    if (relief.moved == 0) break;        // all of them are under way
    relief = Relief();
    relief.ids = spool.oldest_pinned(segments_to_keep);
  }
  relieving_ = false;
  pump();
}

event::Task<> Queue::move_out(Relief* relief) {
  while (!stopping_ && relief->next < relief->ids.size()) {
    spool::QueueId id = relief->ids[relief->next++];
    if (!hold(id)) continue;
    auto message = co_await spool.load(id);
    if (message) {
      auto moved = co_await spool.defer(*message);
      if (moved) ++relief->moved;
      else log.panic(fmt::format("{}: could not be moved to deferred/: {}", id.text(), moved.error().text()));
    }
    under_way_.erase(id);
    if (auto again = held_back_.extract(id); !again.empty()) push(again.mapped().lane, again.mapped().entry);
  }
}

}  // namespace mansio::queue
