// What the rows of the settings table are written with; included by settings_*.hpp alone.
#pragma once
#include <array>
#include <cstdint>

#include "config/settings.hpp"

namespace mansio::config::rows {

using C = Config;
using V = Value;
inline constexpr std::int64_t kib = 1024, mib = kib * 1024, gib = mib * 1024;
inline constexpr std::int64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;

}  // namespace mansio::config::rows
