#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "ctl/live.hpp"
#include "ctl/top.hpp"

namespace mansio::ctl {
namespace {

constexpr std::array<std::string_view, 4> order_names{"newest", "idle", "size", "messages"};
constexpr std::size_t least_rows = 4;            // of the destinations, when there is little room

void put_in_order(std::vector<Json>& sessions, TopOrder order) {
  auto key = [order](const Json& one) {
    switch (order) {
      case TopOrder::newest: return -number_of(one, "age_seconds");
      case TopOrder::idle: return -number_of(one, "idle_seconds");       // who is at work comes first
      case TopOrder::size: return number_of(one, "octets");
      case TopOrder::messages: return number_of(one, "messages");
    }
    return std::int64_t{0};
  };
  std::ranges::stable_sort(sessions, std::ranges::greater(), key);
}

std::vector<std::string> head_lines(const TopView& view) {
  const Json queue = view.status.value("queue", Json::object()), sessions = view.status.value("sessions", Json::object());
  std::vector<std::string> out;
  out.push_back(fmt::format("{} {}, up {}   sorted by {}{}", dress("mansio", Look::bold), show(text_of(view.status, "version")),
                            age_text(number_of(view.status, "uptime_seconds")), order_name(view.order), view.held ? show("   (held: p goes on)", Look::warning) : ""));
  out.push_back(fmt::format("sessions {} in, {} out   queue {}: {} being tried, {} due, {} waiting, {} out of reach, {} paused, {} frozen",
                            number_of(sessions, "in"), number_of(sessions, "out"), number_of(queue, "messages"), number_of(queue, "trying"),
                            number_of(queue, "due"), number_of(queue, "waiting"), number_of(queue, "closed"), number_of(queue, "paused"),
                            number_of(queue, "frozen")));
  for (const Json& one : list_of(view.status, "attention")) {
    if (out.size() < 4) out.push_back(show(one.is_string() ? one.get<std::string>() : std::string(), Look::bad));
  }
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::string_view line : split(text, '\n')) out.emplace_back(line);
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

}  // namespace

std::string_view order_name(TopOrder order) { return order_names[static_cast<std::size_t>(order)]; }

TopOrder next_order(TopOrder order) { return static_cast<TopOrder>((static_cast<std::size_t>(order) + 1) % order_names.size()); }

std::vector<std::string> top_lines(TopView view, std::int64_t now) {
  put_in_order(view.sessions, view.order);
  std::vector<std::string> out = head_lines(view), destinations = lines_of(destination_table(view.status, now));
  std::vector<std::string> sessions = lines_of(session_table(view.sessions));
  if (sessions.empty()) sessions.push_back(dress("no sessions", Look::dim));
  if (view.height > 0) {
    std::size_t room = view.height - std::min(view.height, out.size() + 2);
    std::size_t below = std::min(destinations.size(), std::max(least_rows, room / 3));
    if (sessions.size() + below > room) sessions.resize(std::min(sessions.size(), room - std::min(room, below)));
    destinations.resize(std::min(destinations.size(), room - std::min(room, sessions.size())));
  }
  out.emplace_back();
  std::ranges::move(sessions, std::back_inserter(out));
  if (!destinations.empty()) out.emplace_back();
  std::ranges::move(destinations, std::back_inserter(out));
  if (view.height > 0 && out.size() > view.height) out.resize(view.height);
  if (view.width > 0) {
    for (std::string& line : out) line = cut(line, view.width);
  }
  return out;
}

}  // namespace mansio::ctl
