// Pace: is a sender of content faster than the least rate that we take? Only time spent waiting for the sender counts,
// so a slow disk of ours is not held against it, and a burst does not pay for a crawl in a later window.
#pragma once
#include <cstdint>

#include "base/quantity.hpp"

namespace mansio::smtp {

class Pace {
 public:
  // `rate` in octets a second over each `window` of waiting; 0: any.
  Pace(std::uint64_t rate, Duration window) noexcept : rate_(rate), window_(window) {}

  void start() noexcept { waited_ = {}, octets_ = 0; }
  // After `waited` came `octets`: false when a window is over and they are too few.
  bool keeps_up(MonotonicTime::duration waited, std::uint64_t octets) noexcept {
    waited_ += waited;
    octets_ += octets;
    if (waited_ < window_) return true;
    double seconds = std::chrono::duration<double>(waited_).count();
    bool enough = static_cast<double>(octets_) >= seconds * static_cast<double>(rate_);
    start();
    return enough;
  }

 private:
  std::uint64_t rate_, octets_ = 0;
  Duration window_;
  MonotonicTime::duration waited_{};
};

}  // namespace mansio::smtp
