#include "event/timer.hpp"

#include <uv.h>

#include <utility>

namespace mansio::event {

Timer::Timer(Loop& loop) : handle_(new uv_timer_t) {
  uv_timer_init(loop.raw(), handle_);
  handle_->data = this;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(handle_), [](uv_handle_t* h) { delete reinterpret_cast<uv_timer_t*>(h); });
}

void Timer::Awaiter::await_suspend(std::coroutine_handle<> waiting) {
  timer->waiting_ = waiting;
  timer->elapsed_ = false;
  auto fired = [](uv_timer_t* h) {
    auto* self = static_cast<Timer*>(h->data);
    self->elapsed_ = true;
    std::exchange(self->waiting_, {}).resume();
  };
  uv_update_time(timer->handle_->loop);
  uv_timer_start(timer->handle_, fired, static_cast<std::uint64_t>(duration.count() < 0 ? 0 : duration.count()), 0);
}

bool Timer::Awaiter::await_resume() const noexcept { return timer->elapsed_; }

void Timer::wake() {
  if (!waiting_) return;
  uv_timer_stop(handle_);
  std::exchange(waiting_, {}).resume();
}

}  // namespace mansio::event
