// The retry schedule an admin writes: "15m for 2h, x1.5 up to 16h, 6h until 4d". Steps, in order, separated by commas:
//   D for D       the interval, and for how long after the step before
//   D until D     the interval, and until which age of the message
//   xN up to D    each interval N times the last, none longer than D, until the message is D old
//   xN up to D until D, xN up to D for D     the same with an end of its own
// Intervals from 1 s; ends must grow; the last end is when a message expires. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace mansio::config {

// For domains that no rule of the configuration is for.
inline constexpr const char* default_schedule = "15m for 2h, x1.5 up to 16h, 6h until 4d";

Result<std::vector<RetryStep>> parse_schedule(std::string_view text);   // Fault::invalid names the step
std::string format_schedule(const std::vector<RetryStep>& schedule);    // parse_schedule reads it back to the same

}  // namespace mansio::config
