#include "event/loop.hpp"

#include <uv.h>

#include <stdexcept>

namespace mansio::event {

Duration Deadline::left() const noexcept {
  auto now = std::chrono::steady_clock::now();
  if (now >= at_) return Duration(0);
  return std::chrono::ceil<Duration>(at_ - now);
}

Loop::Loop() : loop_(std::make_unique<uv_loop_s>()), read_buffer_(std::make_unique<char[]>(read_buffer_size)) {
  if (uv_loop_init(loop_.get()) != 0) throw std::runtime_error("event loop: cannot be made");
}

Loop::~Loop() {
  // Closing handles finish in their callbacks.
  for (int i = 0; i < 64 && uv_loop_close(loop_.get()) == UV_EBUSY; ++i) uv_run(loop_.get(), UV_RUN_NOWAIT);
}

void Loop::run() { uv_run(loop_.get(), UV_RUN_DEFAULT); }
void Loop::stop() { uv_stop(loop_.get()); }

}  // namespace mansio::event
