#include "report/wording.hpp"

#include <ctime>

#include <fmt/format.h>

namespace mansio::report {
namespace {

std::tm local_time(Time time) {
  std::time_t clock = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  ::localtime_r(&clock, &local);
  return local;
}

// "22 Nov"; no locale, so that reports look the same everywhere.
std::string day_text(const std::tm& local) {
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{} {}", local.tm_mday, months[local.tm_mon % 12]);
}

std::string weekday_text(const std::tm& local) {
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  return fmt::format("{} {}", days[local.tm_wday % 7], day_text(local));
}

std::string hour_text(const std::tm& local) { return fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min); }

// One digit after the point, and none where it would be a zero.
std::string short_number(double value) {
  std::string out = fmt::format("{:.1f}", value);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

std::string size_text(std::uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit < 4; ++unit) value /= 1024;
  return (value >= 100 || unit == 0 ? fmt::format("{:.0f}", value) : short_number(value)).append(thin) + units[unit];
}

std::string span_text(Duration time) {
  auto ms = static_cast<double>(time.count());
  if (ms < 1000) return fmt::format("{:.0f}{}ms", ms, thin);
  if (ms < 60e3) return short_number(ms / 1e3).append(thin) + "s";
  if (ms < 3600e3) return short_number(ms / 60e3).append(thin) + "min";
  if (ms < 86400e3) return short_number(ms / 3600e3).append(thin) + "h";
  return short_number(ms / 86400e3).append(thin) + "d";
}

std::string share_text(std::uint64_t part, std::uint64_t of) {
  if (of == 0) return "–";
  return short_number(100.0 * static_cast<double>(part) / static_cast<double>(of)).append(thin) + "%";
}

std::string stamp_text(Time time) {
  std::tm local = local_time(time);
  return fmt::format("{:04}-{:02}-{:02} {}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, hour_text(local));
}

std::string slot_text(const Report& report, const Slot& slot) {
  std::tm local = local_time(slot.begin);
  if (report.step < std::chrono::hours(24)) return fmt::format("{}, {}", weekday_text(local), hour_text(local));
  if (report.step == std::chrono::hours(24)) return fmt::format("{} {}", weekday_text(local), local.tm_year + 1900);
  return fmt::format("week of {} {}", day_text(local), local.tm_year + 1900);
}

std::string slot_tick(const Report& report, const Slot& slot) {
  std::tm local = local_time(slot.begin);
  bool midnight = local.tm_hour == 0 && local.tm_min == 0;
  return report.step >= std::chrono::hours(24) || midnight ? day_text(local) : hour_text(local);
}

std::string range_text(std::size_t range) {
  if (range >= time_bounds.size()) return "> " + span_text(time_bounds.back());
  return "≤ " + span_text(time_bounds[range]);
}

std::string step_words(const Report& report) {
  auto hours = report.step.count() / 3600;
  if (hours == 1) return "hour";
  if (hours < 24) return fmt::format("{} hours", hours);
  return hours == 24 ? "day" : hours == 168 ? "week" : fmt::format("{} weeks", hours / 168);
}

std::uint64_t with_tls(const Report& report, bool in) {
  std::uint64_t out = 0;
  for (const TlsShare& share : report.tls) {
    if (!share.version.empty()) out += in ? share.in : share.out;
  }
  return out;
}

std::uint64_t of_network(const Report& report, bool in) {
  std::uint64_t out = 0;
  for (const TlsShare& share : report.tls) out += in ? share.in : share.out;
  return out;
}

}  // namespace mansio::report
