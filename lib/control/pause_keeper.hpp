// PauseKeeper: what an admin has paused holds for every mail process of a server. The first process keeps the list and
// writes it to SPOOL/state/pauses before it tells the others. They read that file when they start, and after that take the whole
// list whenever they are sent it; who could not be told is told again until it has answered. So a process that is started
// again knows the list from the file, or is sent what was changed since. Each process ends by itself what has an end.
#pragma once
#include <memory>
#include <vector>

#include "control/peers.hpp"
#include "event/scope.hpp"
#include "event/timer.hpp"
#include "event/trigger.hpp"
#include "queue/queue.hpp"

namespace mansio::control {

class PauseKeeper {
 public:
  // All outlive it. Everybody is sent the list, for who was first may have been away.
  PauseKeeper(Peers& peers, queue::Queue& queue, event::Scope& scope);

  // After a change: when all have been told, or could not be told for now. Comes back with those that don't have it yet.
  event::Task<std::vector<unsigned>> tell();
  void stop();                         // it lives until the scope is joined

 private:
  struct Reader {
    Reader(event::Loop& loop, unsigned n) : number(n), timer(loop) {}
    unsigned number;
    std::uint64_t has = 0, tried = 0;  // versions
    bool at_work = false;
    event::Timer timer;
  };
  std::uint64_t change();
  event::Task<> keep_told(Reader* reader);
  event::Task<bool> send(unsigned number);

  Peers& peers_;
  queue::Queue& queue_;
  event::Scope& scope_;
  std::vector<std::unique_ptr<Reader>> readers_;
  event::Trigger tried_;
  std::uint64_t version_ = 0;
  bool stopping_ = false;
};

}  // namespace mansio::control
