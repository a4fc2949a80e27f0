// mansioctl sessions: the conversations that go on, with clients and with other hosts.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <vector>

#include "ctl/command.hpp"
#include "ctl/live.hpp"

namespace mansio::ctl {
namespace {

struct SessionsArguments {
  bool in = false, out = false;
  std::string id, client;
};

int list_sessions(const Invocation& invocation, const SessionsArguments& arguments) {
  Json question{{"command", "sessions"}};
  if (arguments.in != arguments.out) question["side"] = arguments.in ? "in" : "out";
  std::vector<Json> sessions;
  auto each = [&](const Json& session) {
    if (invocation.json) print_json(session);
    else sessions.push_back(session);
    return true;
  };
  auto last = [&](const Json&) {
    if (invocation.json) return done;
    if (sessions.empty()) fmt::print("no sessions\n");
    else fmt::print("{}", session_table(sessions));
    return done;
  };
  return DaemonLink(invocation).ask(question, each, last);
}

int show_session(const Invocation& invocation, const SessionsArguments& arguments) {
  auto each = [&](const Json& session) {
    if (invocation.json) print_json(session);
    else fmt::print("{}", session_page(session));
    return true;
  };
  auto last = [&](const Json& answer) {
    if (number_of(answer, "count") > 0) return static_cast<int>(done);
    return complain(invocation, failed, "no session " + arguments.id);
  };
  return DaemonLink(invocation).ask({{"command", "sessions"}, {"id", arguments.id}}, each, last);
}

int kill_sessions(const Invocation& invocation, const SessionsArguments& arguments) {
  if (arguments.id.empty() == arguments.client.empty()) return complain(invocation, usage, "say the id of a session, or --client ADDRESS");
  Json question{{"command", "session_kill"}};
  if (arguments.client.empty()) question["id"] = arguments.id;
  else question["client"] = arguments.client;
  auto each = [&](const Json& session) {
    if (invocation.json) print_json(session);
    else fmt::print("session {} with {} ended\n", show(text_of(session, "session"), Look::bold), session_peer(session));
    return true;
  };
  auto last = [&](const Json& answer) {
    if (number_of(answer, "count") > 0) return static_cast<int>(done);
    return complain(invocation, failed, arguments.client.empty() ? "no session " + arguments.id : "no session of " + arguments.client);
  };
  return DaemonLink(invocation).ask(question, each, last);
}

}  // namespace

void add_sessions(CLI::App& app, Invocation& invocation) {
  static SessionsArguments arguments;
  auto* verb = app.add_subcommand("sessions", "conversations that go on, with clients and with other hosts");
  verb->require_subcommand(0, 1);
  auto sides = [](CLI::App* of) {
    of->add_flag("--in", arguments.in, "with clients only");
    of->add_flag("--out", arguments.out, "with other hosts only");
  };
  sides(verb);
  auto choose = [&invocation](CLI::App* of, int (*run)(const Invocation&, const SessionsArguments&)) {
    of->callback([&invocation, of, run] {
      if (!of->get_subcommands().empty()) return;          // that one was chosen
      invocation.chosen = [&invocation, run] { return run(invocation, arguments); };
    });
  };
  auto* list = verb->add_subcommand("list", "all of them (also without a word)");
  sides(list);
  auto* one = verb->add_subcommand("show", "all that is known of one");
  one->add_option("id", arguments.id, "its id, as the list has it")->required();
  auto* kill = verb->add_subcommand("kill", "end one now, or all of a client; a client gets 421, mail under way is given up");
  kill->add_option("id", arguments.id, "its id, as the list has it");
  kill->add_option("--client", arguments.client, "an address, or a network as 192.0.2.0/24");
  choose(verb, list_sessions);
  choose(list, list_sessions);
  choose(one, show_session);
  choose(kill, kill_sessions);
}

}  // namespace mansio::ctl
