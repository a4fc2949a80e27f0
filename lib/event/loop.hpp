// Loop: one libuv loop, one thread. lib/event is the only room that knows uv.h; others see this.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <span>

#include "base/quantity.hpp"
#include "base/result.hpp"

struct uv_loop_s;

namespace mansio::event {

// The point in time up to which an await may last. Monotonic, so a changed clock moves no time-out (D-097).
class Deadline {
 public:
  static Deadline never() noexcept { return Deadline(MonotonicTime::max()); }
  static Deadline in(Duration d) noexcept { return Deadline(std::chrono::steady_clock::now() + d); }
  explicit Deadline(MonotonicTime at) noexcept : at_(at) {}
  MonotonicTime at() const noexcept { return at_; }
  bool is_never() const noexcept { return at_ == MonotonicTime::max(); }
  bool passed() const noexcept { return std::chrono::steady_clock::now() >= at_; }
  // Time left in ms, rounded up, 0 when passed.
  Duration left() const noexcept;

 private:
  MonotonicTime at_;
};

class Loop {
 public:
  Loop();
  ~Loop();   // every handle must be closed: the scopes are joined first
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();    // until stop() or nothing is left to wait for
  void stop();

  // One read buffer for all streams (64 KiB): what a read gives lies here until the next read on any stream.
  std::span<char> read_buffer() noexcept { return {read_buffer_.get(), read_buffer_size}; }
  static constexpr std::size_t read_buffer_size = 65536;

  uv_loop_s* raw() noexcept { return loop_.get(); }

 private:
  std::unique_ptr<uv_loop_s> loop_;
  std::unique_ptr<char[]> read_buffer_;
};

}  // namespace mansio::event
