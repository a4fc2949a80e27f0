// Runs one task on a loop of its own until it has ended.
#pragma once
#include "event/scope.hpp"
#include "event/loop.hpp"

namespace mansio::event {

struct OnLoop {
  Loop loop;
  Scope scope{[](std::exception_ptr e) { std::rethrow_exception(e); }};
  void run(Task<> task) {
    bool done = false;
    scope.spawn(until_done(this, std::move(task), &done));
    if (done) return;
    looping_ = true;
    loop.run();
    looping_ = false;
  }

 private:
  static Task<> until_done(OnLoop* self, Task<> task, bool* done) {
    co_await task;
    *done = true;
    if (self->looping_) self->loop.stop();   // a stop asked for too early would end the next run
  }
  bool looping_ = false;
};

}  // namespace mansio::event
