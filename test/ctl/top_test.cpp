// A frame of top: what it shows in how much room.
#include "ctl/top.hpp"

#include <catch2/catch.hpp>

#include "ctl/live.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

Json session(int number) {
  return Json{{"session", "i" + std::to_string(number)}, {"side", "in"}, {"address", "192.0.2.1"}, {"port", 1000 + number}, {"name", "client.test"},
              {"service", "relay"}, {"age_seconds", number}, {"idle_seconds", 100 - number}, {"messages", number % 3}, {"octets", number * 10}, {"state", "MAIL"}};
}

TopView view_of(int sessions, int destinations) {
  TopView view;
  view.status = Json{{"version", "1.2"}, {"uptime_seconds", 90}, {"sessions", {{"in", sessions}, {"out", 0}}}, {"queue", {{"messages", 7}, {"due", 2}}}};
  view.status["destinations"] = Json::array();
  for (int i = 0; i < destinations; ++i) view.status["destinations"].push_back(Json{{"name", "domain d" + std::to_string(i)}, {"messages", 100 - i}, {"active", 0}});
  for (int i = 0; i < sessions; ++i) view.sessions.push_back(session(i));
  return view;
}

bool has(const std::vector<std::string>& lines, std::string_view text) {
  for (const std::string& line : lines) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("A frame never has more lines than the screen, nor wider ones, and keeps both lists in sight") {
  for (std::size_t height : {1u, 2u, 3u, 5u, 10u, 24u, 60u}) {
    for (std::size_t width : {10u, 40u, 80u, 200u}) {
      for (int sessions : {0, 1, 3, 100}) {
        TopView view = view_of(sessions, 10);
        view.width = width;
        view.height = height;
        auto lines = top_lines(view, 1'700'000'000);
        INFO(width << "x" << height << ", " << sessions);
        CHECK(lines.size() <= height);
        for (const std::string& line : lines) CHECK(columns_of(line) <= width);
        if (height >= 24 && width >= 80) {
          CHECK(has(lines, "DESTINATION"));
          CHECK(has(lines, sessions == 0 ? "no sessions" : "i0 "));
        }
      }
    }
  }
}

TEST_CASE("Without a screen everything is shown") {
  auto lines = top_lines(view_of(100, 10), 1'700'000'000);
  CHECK(lines.size() == 2 + 1 + 101 + 1 + 11);
  CHECK(lines[0] == "mansio 1.2, up 1m   sorted by newest");
  CHECK(lines[1].starts_with("sessions 100 in, 0 out   queue 7: 0 being tried, 2 due"));
}

TEST_CASE("Sessions stand in the order that was chosen") {
  struct Row {
    TopOrder order;
    const char* first;
  };
  for (const Row& row : {Row{TopOrder::newest, "i0 "}, Row{TopOrder::idle, "i9 "}, Row{TopOrder::size, "i9 "}, Row{TopOrder::messages, "i2 "}}) {
    TopView view = view_of(10, 0);
    view.order = row.order;
    auto lines = top_lines(view, 1'700'000'000);
    INFO(order_name(row.order));
    CHECK(lines[4].starts_with(row.first));
  }
  CHECK(next_order(TopOrder::messages) == TopOrder::newest);
}

TEST_CASE("Names from outside are escaped wherever sessions are shown") {
  Json bad = session(1);
  bad["name"] = "\x1b[31mx\n";
  bad["user"] = "\x07";
  for (const std::string& text : {session_table({bad}), session_page(bad)}) {
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find('\x07') == std::string::npos);
    CHECK(text.find("[31mx") != std::string::npos);
  }
}

TEST_CASE("What came of a message is told while it comes") {
  Json one = session(1);
  one["in_data"] = true;
  one["content_octets"] = 2048;
  CHECK(session_state(one) == "in data, 2.0 KiB");
  CHECK(session_state(session(1)) == "MAIL");
}

TEST_CASE("A peer is its address and port, or who it is on this machine") {
  CHECK(session_peer(session(1)) == "192.0.2.1:1001");
  CHECK(session_peer(Json{{"side", "in"}, {"address", "2001:db8::1"}, {"port", 25}}) == "[2001:db8::1]:25");
  CHECK(session_peer(Json{{"side", "in"}, {"address", ""}, {"user", "bob"}}) == "bob (on this machine)");
}

}  // namespace mansio::ctl
