// Numbers and times as the text and the page show them.
#pragma once
#include <string>

#include "report/report.hpp"

namespace mansio::report {

std::string grouped(std::uint64_t number);             // "12,345"
// Between a number and its unit stands a blank at which no line breaks.
inline constexpr std::string_view thin = "\u00a0";
std::string size_text(std::uint64_t bytes);            // "1.2 GiB"
std::string span_text(Duration time);                  // "12 ms", "3.4 s", "5 min", "2.5 h", "3 d"
std::string share_text(std::uint64_t part, std::uint64_t of);   // "12.3 %"; "–" of nothing
std::string stamp_text(Time time);                     // "2026-11-22 14:03", local
std::string slot_text(const Report& report, const Slot& slot);  // "Sat 22 Nov, 14:00", "Sat 22 Nov", "week of 17 Nov"
std::string slot_tick(const Report& report, const Slot& slot);  // shorter: "14:00", "22 Nov"
std::string range_text(std::size_t range);             // of time_bounds: "≤ 5 s", "> 1 d"
std::string step_words(const Report& report);          // "hour", "3 hours", "day"
// Share of network mail with TLS.
std::uint64_t with_tls(const Report& report, bool in);
std::uint64_t of_network(const Report& report, bool in);

}  // namespace mansio::report
