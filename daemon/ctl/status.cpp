// mansioctl status: how the daemon is, for people, for programs and for monitoring.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "ctl/command.hpp"
#include "ctl/live.hpp"

namespace mansio::ctl {
namespace {

int tell_attention(const Invocation& invocation, const Json& status) {
  const Json& attention = list_of(status, "attention");
  if (invocation.json) {
    Json out;
    out["ok"] = attention.empty();
    out["attention"] = attention;
    print_json(out);
  } else if (attention.empty()) {
    fmt::print("{}\n", show("all is well", Look::good));
  }
  for (const Json& one : attention) {
    if (!invocation.json) fmt::print("{}\n", show(one.is_string() ? one.get<std::string>() : std::string(), Look::bad));
  }
  return attention.empty() ? done : failed;
}

int tell_status(const Invocation& invocation, bool check) {
  auto last = [&](const Json& status) {
    if (check) return tell_attention(invocation, status);
    if (invocation.json) {
      Json out = status;
      out.erase("end");
      out["mansioctl_version"] = MANSIO_VERSION;
      print_json(out);
      return static_cast<int>(done);
    }
    fmt::print("{}", status_page(status, MANSIO_VERSION));
    for (const Json& one : list_of(status, "attention")) {
      fmt::print("{} {}\n", dress("!", Look::bad), show(one.is_string() ? one.get<std::string>() : std::string(), Look::bad));
    }
    return static_cast<int>(done);
  };
  return DaemonLink(invocation).ask({{"command", "status"}}, last);
}

}  // namespace

void add_status(CLI::App& app, Invocation& invocation) {
  static bool check = false;
  auto* verb = app.add_subcommand("status", "how the daemon is");
  verb->add_flag("--check", check, "for monitoring: say what needs attention, and exit with 1 when something does");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return tell_status(invocation, check); }; });
}

}  // namespace mansio::ctl
