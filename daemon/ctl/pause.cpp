// mansioctl pause and resume: what is held up, until when, and its end.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <ctime>
#include <vector>

#include "base/quantity.hpp"
#include "ctl/command.hpp"
#include "ctl/live.hpp"

namespace mansio::ctl {
namespace {

struct PauseArguments {
  std::string what, name, duration, reason;
  bool local = false, all = false;
};

int list_pauses(const Invocation& invocation) {
  std::int64_t now = std::time(nullptr);
  auto each = [&](const Json& one) {
    if (invocation.json) print_json(one);
    else fmt::print("{}\n", pause_line(one, now));
    return true;
  };
  auto last = [&](const Json& answer) {
    if (!invocation.json && number_of(answer, "count") == 0) fmt::print("nothing is paused\n");
    return done;
  };
  return DaemonLink(invocation).ask({{"command", "pause"}}, each, last);
}

int pause(const Invocation& invocation, const PauseArguments& arguments) {
  Json question{{"command", "pause"}, {"what", arguments.what}, {"name", arguments.name}, {"reason", arguments.reason}, {"local", arguments.local}};
  if (!arguments.duration.empty()) {
    auto duration = parse_duration(arguments.duration);
    if (!duration || *duration < std::chrono::seconds(1)) return complain(invocation, usage, arguments.duration + ": a time is like 90s, 15m or 2h30m");
    question["seconds"] = std::chrono::ceil<std::chrono::seconds>(*duration).count();
  }
  std::int64_t now = std::time(nullptr);
  auto each = [&](const Json& one) {
    if (invocation.json) print_json(one);
    else fmt::print("paused: {}\n", pause_line(one, now));
    return true;
  };
  return DaemonLink(invocation).ask(question, each, [](const Json&) { return static_cast<int>(done); });
}

int resume(const Invocation& invocation, const PauseArguments& arguments) {
  if (arguments.what.empty() != arguments.all) return complain(invocation, usage, "say what goes on, or --all");
  Json question{{"command", "resume"}, {"all", arguments.all}, {"what", arguments.what}, {"name", arguments.name}};
  auto each = [&](const Json& one) {
    if (invocation.json) print_json(one);
    else fmt::print("goes on: {}\n", show(text_of(one, "title"), Look::good));
    return true;
  };
  auto last = [&](const Json& answer) {
    if (number_of(answer, "count") > 0) return static_cast<int>(done);
    return complain(invocation, failed, arguments.all ? "nothing is paused" : "that is not paused; mansioctl pause list says what is");
  };
  return DaemonLink(invocation).ask(question, each, last);
}

constexpr const char* what_words = "accepting, listener ADDRESS:PORT, outbound, or destination NAME";

void take_what(CLI::App* verb, PauseArguments& arguments) {
  verb->add_option("what", arguments.what, what_words)->check(CLI::IsMember({"list", "accepting", "listener", "outbound", "destination"}));
  verb->add_option("name", arguments.name, "the listener's address and port (*:25 is any address), or the destination's domain, site or host");
}

}  // namespace

void add_pause(CLI::App& app, Invocation& invocation) {
  static PauseArguments arguments;
  auto* verb = app.add_subcommand("pause", "stop accepting or sending mail for a while; without a word, say what is paused");
  take_what(verb, arguments);
  verb->add_option("--for", arguments.duration, "how long, as 15m or 2h; else until it is resumed");
  verb->add_option("--reason", arguments.reason, "for the log, for status and for other admins");
  verb->add_flag("--local", arguments.local, "with accepting: mail of this machine's own programs, too");
  verb->callback([&invocation] {
    bool list = arguments.what.empty() || arguments.what == "list";
    invocation.chosen = [&invocation, list] { return list ? list_pauses(invocation) : pause(invocation, arguments); };
  });
}

void add_resume(CLI::App& app, Invocation& invocation) {
  static PauseArguments arguments;
  auto* verb = app.add_subcommand("resume", "go on with what was paused");
  take_what(verb, arguments);
  verb->add_flag("--all", arguments.all, "with everything");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return resume(invocation, arguments); }; });
}

}  // namespace mansio::ctl
