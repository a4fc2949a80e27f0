// Queue: which message is tried when. New messages at once, waiting ones when their time comes, so many at a time. In
// memory are an id and a time for each waiting message; everything else is on disk (design: 200 bytes a message).
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <unordered_set>
#include <vector>

#include "config/config.hpp"
#include "deliver/agent_pool.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "log/logger.hpp"
#include "route/router.hpp"
#include "spool/spool.hpp"

namespace mansio::queue {

class Queue {
 public:
  Queue(event::Loop& loop, event::Scope& scope, spool::Spool& spool, log::Logger& logger, deliver::AgentPool& agents,
        config::ConfigPtr config, std::shared_ptr<route::Router> router);

  void configure(config::ConfigPtr config, std::shared_ptr<route::Router> router);

  void accept(std::shared_ptr<spool::Message> message);      // just committed
  void found(spool::QueueId id, Time next_attempt);          // by the spool's recovery
  void run_now();                                            // every waiting message is due (sendmail -q)
  event::Task<> stop();                                      // starts nothing more; waits for attempts under way

  std::size_t waiting() const noexcept { return waiting_.size(); }
  std::size_t under_way() const noexcept { return under_way_.size(); }
  // Ids of all messages, in order of arrival.
  std::vector<spool::QueueId> ids() const;

  // A bug in a coroutine of the queue: told in the panic log, the message is tried again later.
  void exception(std::exception_ptr e);

  // For attempts.
  event::Loop& loop;
  spool::Spool& spool;
  log::Logger& log;
  deliver::AgentPool& agents;
  event::Threads blocking;       // reading originals for reports: one thread
  config::ConfigPtr config() const { return config_; }
  std::shared_ptr<route::Router> router() const { return router_; }

 private:
  struct Waiting {
    Time due;
    spool::QueueId id;
    bool operator>(const Waiting& other) const noexcept { return due > other.due; }
  };
  struct Ready {
    spool::QueueId id;
    std::shared_ptr<spool::Message> message;     // null: to be loaded
    bool forced = false;                         // now, whatever its schedule says
  };

  void pump();
  event::Task<> attempt(Ready ready);
  void wait_until(spool::QueueId id, Time due);
  event::Task<> watch_clock();

  event::Scope& scope_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  std::deque<Ready> ready_;
  std::size_t ready_in_memory_ = 0;
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
  std::unordered_set<spool::QueueId> under_way_;
  event::Timer clock_;
  event::Trigger attempt_ended_;
  bool stopping_ = false, watching_ = false;
};

}  // namespace mansio::queue
