#include "report/spread.hpp"

#include <algorithm>
#include <cmath>

namespace mansio::report {

std::size_t Spread::index_of(Duration time) noexcept {
  if (time.count() <= 1) return time.count() < 1 ? 0 : 1;
  double at = std::log2(static_cast<double>(time.count())) * parts;
  return std::min(static_cast<std::size_t>(std::lround(at)) + 1, size - 1);
}

Duration Spread::middle_of(std::size_t index) noexcept {
  if (index == 0) return Duration(0);
  return Duration(std::llround(std::exp2(static_cast<double>(index - 1) / parts)));
}

void Spread::add(Duration time) noexcept {
  time = std::max(time, Duration(0));
  ++counts_[index_of(time)];
  ++count_;
  longest_ = std::max(longest_, time);
}

Duration Spread::quantile(double share) const noexcept {
  if (count_ == 0) return Duration(0);
  auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < size; ++i) {
    seen += counts_[i];
    if (counts_[i] > 0 && seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(middle_of(i), longest_);
  }
  return longest_;
}

std::vector<std::uint64_t> Spread::ranges(std::span<const Duration> bounds) const {
  std::vector<std::uint64_t> out(bounds.size() + 1);
  for (std::size_t i = 0; i < size; ++i) {
    auto range = std::ranges::lower_bound(bounds, middle_of(i)) - bounds.begin();
    out[static_cast<std::size_t>(range)] += counts_[i];
  }
  return out;
}

}  // namespace mansio::report
