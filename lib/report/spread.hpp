// How long things took: counts in ranges that each are 1/16 of a doubling wide, from a millisecond to a year, so that any
// quantile is right within about 5 % in a few kilobytes.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::report {

class Spread {
 public:
  void add(Duration time) noexcept;
  std::uint64_t count() const noexcept { return count_; }
  Duration longest() const noexcept { return longest_; }
  // The time that `share` (0 to 1) of all did not exceed.
  Duration quantile(double share) const noexcept;
  // How many lie in (bounds[i-1], bounds[i]]; the last: above all bounds. Bounds are ascending.
  std::vector<std::uint64_t> ranges(std::span<const Duration> bounds) const;

 private:
  static std::size_t index_of(Duration time) noexcept;
  static Duration middle_of(std::size_t index) noexcept;
  static constexpr std::size_t parts = 16, size = 36 * parts;

  std::array<std::uint64_t, size> counts_{};
  std::uint64_t count_ = 0;
  Duration longest_{};
};

}  // namespace mansio::report
