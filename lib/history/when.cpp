// Points of time as people write them on a command line.
#include <ctime>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "history/reader.hpp"

namespace mansio::history {
namespace {

Time midnight(Time now, int days) {
  std::time_t clock = std::chrono::system_clock::to_time_t(now);
  std::tm local{};
  ::localtime_r(&clock, &local);
  local.tm_mday += days;
  local.tm_hour = local.tm_min = local.tm_sec = 0;
  local.tm_isdst = -1;
  return from_unix(std::mktime(&local));
}

}  // namespace

Result<Time> parse_when(std::string_view text, Time now) {
  text = trim(text);
  if (iequals(text, "now")) return now;
  if (iequals(text, "today")) return midnight(now, 0);
  if (iequals(text, "yesterday")) return midnight(now, -1);
  if (auto ago = parse_duration(text)) return now - *ago;
  std::string stamp(text);
  if (stamp.size() > 10 && stamp[10] == 'T') stamp[10] = ' ';
  if (stamp.size() == 10) stamp += " 00:00";
  if (stamp.size() == 16) stamp += ":00";
  LineParser parser;
  if (auto time = stamp.size() == 19 ? parser.time_of(stamp) : std::nullopt) return *time;
  return fail(Fault::invalid, "\"" + escape(text, 80) + "\" is no time: say \"2h\" or \"1d\" (ago), \"2026-11-20\", "
                              "\"2026-11-20 14:30\", \"today\" or \"yesterday\"");
}

}  // namespace mansio::history
