// Numbers that are counted on hot paths and read by others: atomics without locks, from any thread.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>

#include "base/quantity.hpp"

namespace mansio::metrics {

class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How often values fell into which range. `bounds` (ascending, at most 20) live as long as it; the last range has no end.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds) noexcept : bounds_(bounds) {}
  void observe(double value) noexcept;
  void observe(std::chrono::nanoseconds time) noexcept { observe(std::chrono::duration<double>(time).count()); }

  std::span<const double> bounds() const noexcept { return bounds_; }
  std::uint64_t count(std::size_t range) const noexcept { return counts_[range].value(); }   // range bounds().size(): past the last
  double sum() const noexcept { return static_cast<double>(sum_.value()) / 1e6; }

 private:
  static constexpr std::size_t most_bounds = 20;
  std::span<const double> bounds_;
  std::array<Counter, most_bounds + 1> counts_;
  Counter sum_;                            // in millionths
};

inline constexpr auto second_bounds = std::to_array<double>({0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10});
inline constexpr auto queue_time_bounds = std::to_array<double>({0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400, 345600});
inline constexpr auto record_bounds = std::to_array<double>({1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024});

// How many a second, over the last minutes: counts of five seconds each, the last quarter of an hour of them.
class RecentRate {
 public:
  void add(MonotonicTime now, std::uint32_t n = 1) noexcept;
  // A second, over the time up to now (at most 15 minutes; less while the program is younger).
  double over(Duration span, MonotonicTime now) const noexcept;

 private:
  static constexpr std::int64_t slot_seconds = 5;
  static constexpr std::size_t slots = 192;
  static std::uint32_t slot_at(MonotonicTime now) noexcept;
  std::array<std::atomic<std::uint64_t>, slots> slots_{};   // the slot's number in the upper half, the count in the lower
  std::atomic<std::uint32_t> first_{0};                     // slot of the first count
};

}  // namespace mansio::metrics
