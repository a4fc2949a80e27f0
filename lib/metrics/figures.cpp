#include "metrics/figures.hpp"

#include <algorithm>

namespace mansio::metrics {

void Histogram::observe(double value) noexcept {
  if (!(value >= 0)) value = 0;
  std::size_t range = 0;
  while (range < bounds_.size() && value > bounds_[range]) ++range;
  counts_[range].add();
  sum_.add(static_cast<std::uint64_t>(std::min(value, 1e12) * 1e6));
}

std::uint32_t RecentRate::slot_at(MonotonicTime now) noexcept {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return static_cast<std::uint32_t>(seconds / slot_seconds) + 1;        // 0: none
}

void RecentRate::add(MonotonicTime now, std::uint32_t n) noexcept {
  std::uint32_t number = slot_at(now);
  std::uint32_t none = 0;
  first_.compare_exchange_strong(none, number, std::memory_order_relaxed);
  auto& slot = slots_[number % slots];
  std::uint64_t old = slot.load(std::memory_order_relaxed), fresh = 0;
  do {
    std::uint64_t count = old >> 32 == number ? old & 0xffffffff : 0;   // one of a quarter of an hour ago begins anew
    fresh = std::uint64_t{number} << 32 | std::min<std::uint64_t>(count + n, 0xffffffff);
  } while (!slot.compare_exchange_weak(old, fresh, std::memory_order_relaxed));
}

double RecentRate::over(Duration span, MonotonicTime now) const noexcept {
  std::uint32_t number = slot_at(now), first = first_.load(std::memory_order_relaxed);
  if (first == 0) return 0;
  auto wanted = std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(span).count() / slot_seconds, 1, slots - 1);
  std::uint64_t total = 0;
  for (const auto& slot : slots_) {
    std::uint64_t value = slot.load(std::memory_order_relaxed);
    std::uint64_t at = value >> 32;
    if (at <= number && at + static_cast<std::uint64_t>(wanted) > number) total += value & 0xffffffff;
  }
  // The slot of this moment is not over, and before the first count there is nothing to share out among.
  auto whole = std::min<std::int64_t>(wanted - 1, std::int64_t{number} - first);
  double into = std::chrono::duration<double>(now.time_since_epoch()).count() - static_cast<double>(number - 1) * slot_seconds;
  return static_cast<double>(total) / std::max(static_cast<double>(whole * slot_seconds) + into, 1.0);
}

}  // namespace mansio::metrics
