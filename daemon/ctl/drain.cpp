// mansioctl drain: no new mail is taken, and what waits is hurried away, before a machine is stopped or moved.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>
#include <vector>

#include "base/quantity.hpp"
#include "ctl/command.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/queue.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {
namespace {

struct DrainArguments {
  std::string timeout = "10m";
  bool resume = false, local = false;
};

// Ctrl-C and TERM wait until the daemon has been asked to the end.
class SignalsHeld {
 public:
  SignalsHeld() {
    ::sigemptyset(&set_);
    ::sigaddset(&set_, SIGINT);
    ::sigaddset(&set_, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set_, nullptr);
  }
  // True when one of them came.
  bool sleep(Duration time) const {
    timespec wait{time.count() / 1000, (time.count() % 1000) * 1'000'000};
    return ::sigtimedwait(&set_, nullptr, &wait) > 0;
  }

 private:
  sigset_t set_;
};

struct DrainProgress {
  Json status;
  Json queue() const { return status.value("queue", Json::object()); }
  std::int64_t left() const { return number_of(queue(), "messages"); }
  // Everything has had its attempt, and nothing is under way.
  bool stands() const { return number_of(queue(), "trying") == 0 && number_of(queue(), "due") == 0 && flag_of(queue(), "complete"); }
  bool empty() const { return left() == 0 && flag_of(queue(), "complete"); }
  std::string line() const {
    std::string out = fmt::format("{} left, {} being tried", left(), number_of(queue(), "trying"));
    for (const Json& one : list_of(status, "destinations")) {
      out += fmt::format("  {} {}", show(destination_text(text_of(one, "name"))), number_of(one, "messages") + number_of(one, "active"));
    }
    return out;
  }
};

class Drain {
 public:
  Drain(const Invocation& invocation, const DrainArguments& arguments, Duration timeout)
      : invocation_(invocation), arguments_(arguments), timeout_(timeout), link_(invocation) {}

  int run() {
    int status = begin();
    if (status != done) return status;
    auto end = std::chrono::steady_clock::now() + timeout_;
    // A message that was deferred a moment ago may be neither here nor there.
    for (int standing = 0; standing < 3;) {
      status = look();
      if (status != done) return status;
      tell();
      if (progress_.empty() || std::chrono::steady_clock::now() >= end) break;
      standing = progress_.stands() ? standing + 1 : 0;
      if (signals_.sleep(look_step)) return interrupted();
    }
    return finish();
  }

 private:
  static constexpr Duration look_step{500};

  int begin() {
    int status = link_.ask({{"command", "pause"}}, [&](const Json& one) {
      was_paused_ = was_paused_ || text_of(one, "what") == "accepting";
      return true;
    }, [](const Json&) { return static_cast<int>(done); });
    if (status != done) return status;
    auto agree = [](const Json&) { return static_cast<int>(done); };
    if (!was_paused_) {
      status = link_.ask({{"command", "pause"}, {"what", "accepting"}, {"local", arguments_.local}, {"reason", "drain"}}, agree);
    }
    if (status != done) return status;
    return link_.ask({{"command", "queue_run"}}, agree);
  }

  int look() {
    return link_.ask({{"command", "status"}}, [&](const Json& status) {
      progress_.status = status;
      return static_cast<int>(done);
    });
  }

  void tell() {
    std::string line = progress_.line();
    if (line == told_) return;
    told_ = line;
    if (invocation_.json) {
      print_json({{"left", progress_.left()}, {"trying", number_of(progress_.queue(), "trying")}, {"destinations", list_of(progress_.status, "destinations")}});
    } else if (int width = screen_width(); width > 0) {
      fmt::print("\r\x1b[K{}", cut(line, static_cast<std::size_t>(width)));
      std::fflush(stdout);
    }
  }

  void end_line() const {
    if (!invocation_.json && screen_width() > 0) fmt::print("\n");
  }

  void go_on() {
    if (was_paused_) return;
    link_.ask({{"command", "resume"}, {"what", "accepting"}}, [](const Json&) { return static_cast<int>(done); });
  }

  // Who gives up draining wants things as they were.
  int interrupted() {
    end_line();
    go_on();
    return complain(invocation_, failed, was_paused_ ? "interrupted; accepting stays paused, as it was" : "interrupted: mail is accepted again");
  }

  int finish() {
    end_line();
    bool empty = progress_.empty(), paused = !arguments_.resume;
    if (arguments_.resume) go_on();
    std::string then = paused || was_paused_ ? "no mail is accepted: mansioctl resume accepting, or --all, changes that" : "mail is accepted again";
    if (invocation_.json) print_json({{"done", empty}, {"left", progress_.left()}, {"accepting_paused", paused || was_paused_}});
    else fmt::print("{}; {}\n", empty ? show("the queue is empty", Look::good) : show(fmt::format("{} {} in the queue", progress_.left(), progress_.left() == 1 ? "message stays" : "messages stay"), Look::warning), then);
    std::int64_t sessions = number_of(progress_.status.value("sessions", Json::object()), "in");
    if (sessions > 0 && !invocation_.json) fmt::print("{} {} still open, and may bring more\n", sessions, sessions == 1 ? "session is" : "sessions are");
    if (!empty) say_what_stays();
    return empty ? done : failed;
  }

  void say_what_stays() {
    std::vector<Json> rows;
    auto each = [&](const Json& row) {
      if (invocation_.json) print_json(row);
      else rows.push_back(row);
      return true;
    };
    auto last = [&](const Json& answer) {
      if (!invocation_.json) fmt::print("{}", summary_page(rows, answer, 20, std::time(nullptr)));
      return static_cast<int>(done);
    };
    link_.ask({{"command", "queue_summary"}, {"filter", Json::object()}, {"by", "destination"}}, each, last);
    if (!invocation_.json) fmt::print("mansioctl queue list says why each one waits\n");
  }

  const Invocation& invocation_;
  const DrainArguments& arguments_;
  Duration timeout_;
  DaemonLink link_;
  SignalsHeld signals_;
  DrainProgress progress_;
  std::string told_;
  bool was_paused_ = false;
};

int drain(const Invocation& invocation, const DrainArguments& arguments) {
  auto timeout = parse_duration(arguments.timeout);
  if (!timeout) return complain(invocation, usage, arguments.timeout + ": a time is like 90s, 15m or 2h30m");
  Drain work(invocation, arguments, *timeout);
  return work.run();
}

}  // namespace

void add_drain(CLI::App& app, Invocation& invocation) {
  static DrainArguments arguments;
  auto* verb = app.add_subcommand("drain", "accept no more, try everything that waits, and end when the queue is empty");
  verb->add_option("--timeout", arguments.timeout, "end after this time in any case")->capture_default_str();
  verb->add_flag("--resume", arguments.resume, "accept mail again at the end");
  verb->add_flag("--local", arguments.local, "take no mail of this machine's own programs either");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return drain(invocation, arguments); }; });
}

}  // namespace mansio::ctl
