#include <fmt/format.h>

#include <ctime>

#include "ctl/live.hpp"
#include "ctl/queue.hpp"

namespace mansio::ctl {
namespace {

std::string title(std::string_view text) { return dress(fmt::format("{:<13}", text), Look::dim) + " "; }

std::string listener_line(const Json& one) {
  std::string out = fmt::format("{:<24} {}", show(text_of(one, "name")), show(text_of(one, "role")));
  if (std::string tls = text_of(one, "tls"); tls != "none") out += ", TLS " + show(tls);
  if (flag_of(one, "auth")) out += ", AUTH";
  std::int64_t sessions = number_of(one, "sessions");
  if (sessions > 0) out += fmt::format(", {} {}", sessions, sessions == 1 ? "session" : "sessions");
  if (flag_of(one, "paused")) out += show(", paused", Look::warning);
  return out;
}

std::string queue_line(const Json& queue) {
  std::int64_t messages = number_of(queue, "messages");
  std::string out = dress(fmt::format("{} {}", messages, messages == 1 ? "message" : "messages"), Look::bold);
  auto add = [&](const char* key, std::string_view words, Look look) {
    if (std::int64_t count = number_of(queue, key); count > 0) out += ", " + show(fmt::format("{} {}", count, words), look);
  };
  add("trying", "being tried", Look::good);
  add("due", "due now", Look::good);
  add("waiting", "waiting", Look::plain);
  add("closed", "for destinations out of reach", Look::warning);
  add("paused", "paused", Look::warning);
  add("frozen", "frozen", Look::accent);
  if (is_still_read(queue)) out += " (still being read)";
  return out;
}

std::string process_line(const Json& one) {
  std::string out = dress(fmt::format("mail {:<2}", number_of(one, "number")), Look::bold) + " ";
  if (flag_of(one, "missing")) return out + show("does not answer", Look::bad);
  const Json sessions = one.value("sessions", Json::object()), queue = one.value("queue", Json::object());
  std::int64_t messages = number_of(queue, "messages");
  out += fmt::format("process {}, up for {}, {} in, {} out, {} {}", number_of(one, "pid"), age_text(number_of(one, "uptime_seconds")), number_of(sessions, "in"),
                     number_of(sessions, "out"), messages, messages == 1 ? "message" : "messages");
  return out + (flag_of(queue, "complete") ? "" : " (still being read)");
}

std::string disk_line(const Json& disk) {
  auto free = static_cast<std::uint64_t>(number_of(disk, "free_bytes")), total = static_cast<std::uint64_t>(number_of(disk, "total_bytes"));
  auto reserve = static_cast<std::uint64_t>(number_of(disk, "reserve_bytes"));
  std::string text = fmt::format("{} of {} free", bytes_text(free), bytes_text(total));
  return show(fmt::format("{:<6}", text_of(disk, "what"))) + " " + show(text, free < reserve ? Look::bad : Look::plain) + "  " + show(text_of(disk, "directory"), Look::dim);
}

std::string certificate_line(const Json& one) {
  std::int64_t days = number_of(one, "days_left");
  std::string names;
  for (const Json& name : list_of(one, "names")) names += (names.empty() ? "" : ", ") + (name.is_string() ? name.get<std::string>() : std::string());
  std::string left = days < 0 ? "expired" : fmt::format("{} {} left", days, days == 1 ? "day" : "days");
  return show(left, days < 14 ? Look::bad : Look::good) + "  " + show(names) + "  " + show(text_of(one, "file"), Look::dim);
}

std::string rates_line(const Json& rates, const char* key) {
  std::string out;
  for (const Json& one : list_of(rates, key)) out += fmt::format("{:>9.1f}", one.is_number() ? one.get<double>() * 60 : 0.0);
  return out;
}

}  // namespace

std::string pause_line(const Json& pause, std::int64_t now) {
  std::string out = show(text_of(pause, "title"), Look::warning);
  if (std::int64_t until = number_of(pause, "until"); until > 0) out += ", until " + time_text(until) + " (" + when_text(until, now) + ")";
  out += ", since " + time_text(number_of(pause, "since")) + ", by " + show(text_of(pause, "by"));
  if (std::string reason = text_of(pause, "reason"); !reason.empty()) out += ": " + show(reason);
  return out;
}

std::string destination_table(const Json& status, std::int64_t now) {
  Table table({{"DESTINATION"}, {"WAITING", Table::Align::right}, {"ACTIVE", Table::Align::right}, {"STATE"}});
  for (const Json& one : list_of(status, "destinations")) {
    std::string state = flag_of(one, "paused") ? show("paused", Look::warning) : std::string();
    if (std::int64_t until = number_of(one, "closed_until"); until > 0) {
      std::string since = age_text(now - number_of(one, "closed_since"));
      state += (state.empty() ? "" : ", ") + show("out of reach for " + since + ", tried again " + (until > now ? when_text(until, now) : "now"), Look::warning);
      state += ": " + show(text_of(one, "reason"));
    }
    table.row({cut(show(destination_text(text_of(one, "name"))), 44), std::to_string(number_of(one, "messages")), std::to_string(number_of(one, "active")), state});
  }
  return table.text();
}

std::string status_page(const Json& status, const std::string& own_version) {
  std::int64_t now = std::time(nullptr);
  std::string out, version = text_of(status, "version");
  std::string instance = text_of(status, "instance");
  if (!instance.empty()) out += title("instance") + dress(show(instance), Look::bold) + "\n";
  out += title("mansio") + dress(show(version), Look::bold) + fmt::format(", process {}, up since {} ({})", number_of(status, "pid"),
         time_text(number_of(status, "started")), age_text(number_of(status, "uptime_seconds")));
  if (version != own_version) out += show(fmt::format(" (this mansioctl is {})", own_version), Look::warning);
  out += "\n" + title("configuration") + show(text_of(status, "config")) + "\n";
  auto group = [&](std::string_view words, const char* key, std::string (*line)(const Json&)) {
    bool first = true;
    for (const Json& one : list_of(status, key)) {
      out += title(first ? words : "") + line(one) + "\n";
      first = false;
    }
  };
  group("listeners", "listeners", listener_line);
  const Json sessions = status.value("sessions", Json::object());
  out += title("sessions") + fmt::format("{} in (of {}), {} out\n", number_of(sessions, "in"), number_of(sessions, "in_limit"), number_of(sessions, "out"));
  Json queue = status.value("queue", Json::object());
  if (status.contains("missing")) queue["missing"] = status["missing"];
  out += title("queue") + queue_line(queue) + "\n";
  group("processes", "processes", process_line);
  if (const Json rates = status.value("rates", Json::object()); !rates.empty()) {
    out += title("a minute") + dress("          over 1m       5m      15m", Look::dim) + "\n";
    for (const char* key : {"received", "delivered", "deferred", "failed", "rejected"}) out += title("") + fmt::format("{:<9}", key) + rates_line(rates, key) + "\n";
  }
  group("disk", "disk", disk_line);
  group("certificates", "certificates", certificate_line);
  bool first = true;
  for (const Json& one : list_of(status, "pauses")) {
    out += title(first ? "paused" : "") + pause_line(one, now) + "\n";
    first = false;
  }
  if (const Json panic = status.value("last_panic", Json::object()); !panic.empty()) out += title("last panic") + show(text_of(panic, "text")) + "\n";
  if (std::string table = destination_table(status, now); !table.empty()) out += "\n" + table;
  return out;
}

}  // namespace mansio::ctl
