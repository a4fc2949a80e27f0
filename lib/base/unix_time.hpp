// Whole seconds since 1970 (UTC), as files, certificates and the control socket carry time.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/quantity.hpp"

namespace mansio {

// A Time counts nanoseconds in 64 bits and ends in 2262; what others write goes on to the year 9999 ("no expiry" in a
// certificate, RFC 5280 section 4.1.2.5). This is in 2255: room is left for the longest duration of a
// setting, a year.
inline constexpr std::int64_t latest_second = 9'000'000'000;

inline bool is_unix_time(std::uint64_t seconds) noexcept { return seconds <= std::uint64_t{latest_second}; }

// `seconds` may be anything: what lies before 1970 or after latest_second becomes the nearest of these.
inline Time from_unix(std::int64_t seconds) noexcept { return Time(std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, latest_second))); }
inline Time from_unix(std::uint64_t seconds) noexcept { return Time(std::chrono::seconds(std::min<std::uint64_t>(seconds, latest_second))); }

// Rounded down; negative before 1970.
inline std::int64_t unix_seconds(Time time) noexcept { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

}  // namespace mansio
