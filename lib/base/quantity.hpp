// Sizes and durations as an admin writes them: "50M" (binary: 2^20), "2h30m". One strong type each.
#pragma once
#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio {

class ByteSize {
 public:
  constexpr ByteSize() noexcept = default;
  constexpr explicit ByteSize(std::uint64_t bytes) noexcept : bytes_(bytes) {}
  constexpr std::uint64_t bytes() const noexcept { return bytes_; }
  auto operator<=>(const ByteSize&) const = default;

 private:
  std::uint64_t bytes_ = 0;
};

using Duration = std::chrono::milliseconds;          // of settings and time-outs
using Time = std::chrono::system_clock::time_point;  // of events that people read
using MonotonicTime = std::chrono::steady_clock::time_point;   // of time-outs: never jumps (D-097)

// "50M", "64K", "2G", "1T", bare bytes "1000"; K, M, G, T are binary and may be followed by B or iB. Errors say what is allowed.
Result<ByteSize> parse_size(std::string_view text);
// "15m", "2h30m", "1d", "500ms", "90s"; units d h m s ms, each once, from large to small. A bare number has no unit: an error.
// At most 36525d (100 years), so that it can be added to and taken from any Time.
Result<Duration> parse_duration(std::string_view text);

std::string format_size(ByteSize size);          // "50M", "1500" when it isn't a whole K
std::string format_duration(Duration duration);  // "2h30m"

// Exim's short forms for queue listings: age "3m" "25h" "4d", size "932" "2.9K" "11K" "1.2M".
std::string short_age(std::chrono::seconds age);
std::string short_size(std::uint64_t bytes);

}  // namespace mansio
