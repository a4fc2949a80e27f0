// Events as JSON objects, one a line; field names are stable (docs/logs.md). Pure. Text from outside that isn't
// valid UTF-8 is escaped as in the text log.
#pragma once
#include <string>

#include "base/quantity.hpp"
#include "log/event.hpp"

namespace mansio::log {

// Without '\n'. `time` is shown in UTC with milliseconds (RFC 3339). Envelope and header lines of a rejection are
// part of it only when `details` is set (the reject log).
std::string format_json(const Event& event, Time time, bool details = false);

}  // namespace mansio::log
