// Timer: one coroutine sleeps, anybody may wake it early.
#pragma once
#include <coroutine>

#include "event/loop.hpp"

struct uv_timer_s;

namespace mansio::event {

class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();   // nobody may be sleeping on it
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  struct Awaiter {
    Timer* timer;
    Duration duration;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting);
    bool await_resume() const noexcept;
  };
  // True when the time has passed, false when wake() came first.
  Awaiter sleep(Duration duration) noexcept { return Awaiter{this, duration}; }
  void wake();
  bool sleeping() const noexcept { return static_cast<bool>(waiting_); }

 private:
  uv_timer_s* handle_;
  std::coroutine_handle<> waiting_;
  bool elapsed_ = false;
};

}  // namespace mansio::event
