// mansioctl trace: conversations as they go on, both sides of them, without secrets.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "base/quantity.hpp"
#include "ctl/command.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

struct TraceArguments {
  std::string target, duration;
  std::uint64_t count = 0;
};

std::string clock_of(const Json& line) {
  auto found = line.find("time");
  double time = found != line.end() && found->is_number() ? found->get<double>() : 0;
  double whole = std::floor(time);
  auto seconds = static_cast<std::time_t>(whole);
  std::tm fields{};
  ::localtime_r(&seconds, &fields);
  char text[16];
  std::strftime(text, sizeof text, "%H:%M:%S", &fields);
  return fmt::format("{}.{:03}", text, std::lround((time - whole) * 1000) % 1000);
}

// What the other side of ours says goes to the right, what is said to it to the left, so that both directions are seen.
std::string line_text(const Json& line) {
  std::string what = text_of(line, "what"), text = text_of(line, "text"), id = text_of(line, "session");
  bool incoming = id.starts_with('i');
  std::string out = dress(clock_of(line), Look::dim) + " " + dress(fmt::format("{:<5}", show(id)), Look::bold) + " ";
  if (what == "client") return out + dress(incoming ? "→ " : "← ", Look::accent) + show(text, Look::accent);
  if (what == "server") {
    bool good = text.starts_with('2') || text.starts_with('3');
    Look look = good ? Look::good : text.starts_with('4') ? Look::warning : Look::bad;
    return out + dress(incoming ? "← " : "→ ", look) + show(text, look);
  }
  if (what == "content") return out + dress(incoming ? "→ " : "← ", Look::accent) + show(text, Look::dim);
  if (what == "opened") return out + "─ " + show((incoming ? "from " : "to ") + text, Look::bold);
  if (what == "closed") return out + "─ " + show("closed", Look::bold);
  return out + "· " + show(text, Look::dim);
}

int trace(const Invocation& invocation, const TraceArguments& arguments) {
  Json question{{"command", "trace"}, {"target", arguments.target}, {"conversations", arguments.count}};
  if (!arguments.duration.empty()) {
    auto duration = parse_duration(arguments.duration);
    if (!duration || *duration < std::chrono::seconds(1)) return complain(invocation, usage, arguments.duration + ": a time is like 90s, 15m or 2h30m");
    question["seconds"] = std::chrono::ceil<std::chrono::seconds>(*duration).count();
  }
  auto each = [&](const Json& line) {
    if (invocation.json) print_json(line);
    else if (std::int64_t skipped = number_of(line, "skipped"); skipped > 0) fmt::print("{}\n", show(fmt::format("… {} lines not shown", skipped), Look::warning));
    else if (line.contains("what")) fmt::print("{}\n", line_text(line));
    else fmt::print(stderr, "following {}, {} now; Ctrl-C ends it\n", show(text_of(line, "following")), number_of(line, "now"));
    return std::fflush(stdout) == 0;
  };
  DaemonLink link(invocation);
  link.patience(std::nullopt);
  return link.ask(question, each, [](const Json&) { return static_cast<int>(done); });
}

}  // namespace

void add_trace(CLI::App& app, Invocation& invocation) {
  static TraceArguments arguments;
  auto* verb = app.add_subcommand("trace", "follow conversations as they go on");
  verb->add_option("target", arguments.target, "a session's id, a client's address or network, or a destination")->required();
  verb->add_option("--for", arguments.duration, "how long, as 30s or 5m; else until Ctrl-C");
  verb->add_option("--count", arguments.count, "end after this many conversations");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return trace(invocation, arguments); }; });
}

}  // namespace mansio::ctl
