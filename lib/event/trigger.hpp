// Trigger: coroutines wait until somebody fires it. Every waiter of that moment is resumed, in order, once.
// It has no memory: look at your own condition first, then wait.
#pragma once
#include <coroutine>
#include <utility>
#include <vector>

namespace mansio::event {

class Trigger {
 public:
  Trigger() = default;
  Trigger(const Trigger&) = delete;
  Trigger& operator=(const Trigger&) = delete;

  struct Awaiter {
    Trigger* trigger;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) { trigger->waiting_.push_back(waiting); }
    void await_resume() const noexcept {}
  };
  Awaiter wait() noexcept { return Awaiter{this}; }

  // The trigger itself may be destroyed by the last one it resumes.
  void fire() {
    auto waiting = std::exchange(waiting_, {});
    for (auto handle : waiting) handle.resume();
  }
  bool has_waiters() const noexcept { return !waiting_.empty(); }

 private:
  std::vector<std::coroutine_handle<>> waiting_;
};

}  // namespace mansio::event
