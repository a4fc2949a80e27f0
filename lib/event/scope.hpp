// Scope: every coroutine that nobody awaits belongs to one, and the scope is joined before what it uses goes away.
// An exception that leaves a spawned task is a bug: it goes to the handler (the panic log), the others go on.
#pragma once
#include <cstddef>
#include <exception>
#include <functional>

#include "event/task.hpp"
#include "event/trigger.hpp"

namespace mansio::event {

class Scope {
 public:
  using ExceptionHandler = std::function<void(std::exception_ptr)>;
  explicit Scope(ExceptionHandler handler) : handler_(std::move(handler)) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    if (running_ != 0) std::terminate();   // a frame would outlive what it refers to
  }

  // Runs `task` at once until it first waits.
  void spawn(Task<void> task) {
    ++running_;
    run(this, std::move(task));
  }

  // Waits until every task, also those spawned meanwhile, has ended. Cancelling is the owner's: close the streams.
  Task<void> join() {
    while (running_ != 0) co_await ended_.wait();
  }

  std::size_t running() const noexcept { return running_; }

 private:
  struct Runner {
    struct promise_type {
      Runner get_return_object() const noexcept { return {}; }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_never final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }   // only the handler itself can throw here
    };
  };
  static Runner run(Scope* scope, Task<void> task) {
    {
      Task<void> owned = std::move(task);   // its frame is gone before the scope may be
      try {
        co_await owned;
      } catch (...) {
        scope->handler_(std::current_exception());
      }
    }
    if (--scope->running_ == 0) scope->ended_.fire();
  }

  ExceptionHandler handler_;
  std::size_t running_ = 0;
  Trigger ended_;
};

}  // namespace mansio::event
