// Dates of a message header: RFC 5322 §3.3, English names, four-digit year, numeric zone, no obsolete form.
#pragma once
#include <string>

#include "base/quantity.hpp"

namespace mansio::mail {

// "Sun, 22 Nov 2026 03:10:00 +0100" in the machine's zone.
std::string format_date(Time time);

}  // namespace mansio::mail
