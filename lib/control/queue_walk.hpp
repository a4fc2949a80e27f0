// A walk over the queue for listings: messages in order of arrival, a round of bundles at a time, read at a glance on threads
// of its own, so that neither the loop nor deliveries wait for it. What is asked of the queue itself happens on the loop.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/selection.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "queue/queue.hpp"

namespace mansio::control {

class QueueWalk {
 public:
  struct Found {
    explicit Found(std::shared_ptr<spool::Message> m) : message(std::move(m)) {}
    std::shared_ptr<spool::Message> message;
    queue::Queue::Standing standing;
  };
  struct Bundle {
    Bundle() = default;
    std::vector<spool::QueueId> ids;
    std::vector<Found> found;
    std::string text;                // what on_threads() made of it
  };

  // `queue` outlives it.
  QueueWalk(queue::Queue& queue, Selection selection, Time now);

  std::function<bool(const spool::Message&)> visible;      // called on threads; unset: all are
  bool sorted = true;

  // Reads the next round into bundles(); false: there are no more messages.
  event::Task<bool> next();
  std::vector<Bundle>& bundles() noexcept { return bundles_; }
  // Does something with each bundle of the round, each on a thread. `work` outlives the call.
  event::Task<> on_threads(const std::function<void(Bundle&)>* work);

  Time now() const noexcept { return now_; }
  std::size_t looked_at() const noexcept { return at_; }
  bool complete() const noexcept { return complete_; }     // the spool was read to its end when the walk began

 private:
  event::Task<> sort();
  event::Task<> read(Bundle* bundle);
  void look(const std::vector<spool::Spool::Whereabouts>& places, Bundle* bundle, std::vector<spool::QueueId>* unreadable) const;
  event::Task<> look_closer(const std::vector<spool::QueueId>* unreadable, Bundle* bundle);
  event::Task<> work_on(Bundle* bundle, const std::function<void(Bundle&)>* work);
  bool is_meant(const spool::Message& message) const;

  queue::Queue& queue_;
  Selection selection_;
  Time now_;
  event::Threads readers_;
  std::vector<spool::QueueId> ids_;
  std::size_t at_ = 0, in_order_ = 0;
  bool complete_;
  std::vector<Bundle> bundles_;
};

}  // namespace mansio::control
