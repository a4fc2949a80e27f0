#include "ctl/setup.hpp"

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/credentials.hpp"
#include "config/instance.hpp"
#include "config/reader.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/screen.hpp"
#include "sendmail_socket.hpp"
#include "setup/difference.hpp"

namespace mansio::ctl {
namespace {

constexpr std::size_t file_limit = 1 << 20;

struct SetupArguments {
  std::string answers_file;
  bool yes = false, print_answers = false, no_reload = false;
};

int complain_of(const Invocation& invocation, const config::Problems& problems) {
  for (const config::Problem& problem : problems) {
    if (invocation.json) print_json(Json{{"problem", problem.message()}});
    else fmt::print(stderr, "{}\n", escape(problem.message(), 10'000));
  }
  return complain(invocation, Exit::config, "nothing was changed");
}

// Mail from outside is not wanted before somebody says so.
std::vector<std::string> loopback_addresses() {
  std::vector<std::string> out{"127.0.0.1"};
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return out;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET6) continue;
    if (IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr)) out.emplace_back("::1");
  }
  ::freeifaddrs(list);
  return out;
}

std::vector<config::Source> without_site(const setup::Present& present) {
  std::vector<config::Source> out = present.sources;
  std::erase_if(out, [&](const config::Source& source) { return source.file == setup::site_file(present.main_file); });
  return out;
}

// What stands before the questions: the configuration in use, or what the machine says where there is none.
setup::Answers defaults_of(const setup::Present& present) {
  std::vector<config::Source> sources = present.sources;
  if (sources.empty()) sources.push_back({present.main_file, "version = 1;"});
  auto parsed = config::parse(sources, present.facts);
  if (!parsed && !present.sources.empty()) parsed = config::parse(without_site(present), present.facts);
  if (!parsed) return {};
  setup::Answers out = setup::answers_of(**parsed);
  if (present.sources.empty()) out.listen = loopback_addresses();
  if (present.credentials) {
    auto known = config::Credentials::parse(config::Source{setup::credentials_file(present.main_file), *present.credentials});
    if (known && !known->all().empty() && out.has_smart_host()) out.user = known->all().front().user;
  }
  return out;
}

std::expected<setup::Present, config::Problems> look(const std::string& config_file) {
  setup::Present out;
  out.main_file = config_file;
  if (::access(config_file.c_str(), F_OK) == 0 || errno != ENOENT) {
    auto sources = config::read_sources(config_file);
    if (!sources) return std::unexpected(std::move(sources.error()));
    out.sources = std::move(*sources);
  }
  out.facts = config::machine_facts(out.sources);
  if (!out.sources.empty()) {
    auto parsed = config::parse(out.sources, out.facts);
    // What set-up wrote is written anew: it is no hindrance when the rest is good.
    if (!parsed && !config::parse(without_site(out), out.facts)) return std::unexpected(std::move(parsed.error()));
  }
  auto credentials = read_file(setup::credentials_file(config_file), file_limit);
  if (credentials) out.credentials = std::move(*credentials);
  else if (credentials.error().fault() != Fault::not_found && credentials.error().sys() != ENOENT) {
    return std::unexpected(config::Problems{{setup::credentials_file(config_file), 0, credentials.error().text()}});
  }
  return out;
}

void show_difference(const setup::FileChange& change) {
  if (change.secret) {
    fmt::print("{} {}: the password at the smart host, for root alone\n", change.before.empty() ? "new" : "changed", show(change.path));
    return;
  }
  std::string text = setup::unified_difference(change.before, change.after, change.path);
  for (std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    bool head = line.starts_with("---") || line.starts_with("+++");
    Look look = head ? Look::bold : line[0] == '+' ? Look::good : line[0] == '-' ? Look::bad : line[0] == '@' ? Look::accent : Look::plain;
    fmt::print("{}\n", show(line, look));
  }
}

Json changes_json(const setup::Plan& plan) {
  Json out = Json::array();
  for (const setup::FileChange& change : plan.changes) {
    Json one{{"file", change.path}, {"new", change.before.empty()}};
    if (!change.secret) one["difference"] = setup::unified_difference(change.before, change.after, change.path);
    out.push_back(std::move(one));
  }
  return out;
}

// The daemon, if one runs, takes it into use now.
int reload(const Invocation& invocation, Json& told) {
  DaemonLink link(invocation);
  if (!sendmail::connect_unix(link.socket())) {
    told["reloaded"] = false;
    if (!invocation.json) fmt::print("No daemon runs with this configuration: systemctl start {}\n", config::unit_of(invocation.instance));
    return done;
  }
  std::vector<std::string> refused;
  auto each = [&](const Json& object) {
    if (auto text = text_of(object, "refused"); !text.empty()) refused.push_back(text);
    return true;
  };
  int status = link.ask(Json{{"command", "reload"}}, each, [&](const Json& last) { return flag_of(last, "done") ? done : failed; });
  told["reloaded"] = status == done;
  for (const std::string& text : refused) complain(invocation, failed, text);
  if (status == done && !invocation.json) fmt::print("The daemon runs with it now.\n");
  if (status != done && !invocation.json) fmt::print("The files are written, but the daemon goes on with what it had.\n");
  return status;
}

int carry_out(const Invocation& invocation, const SetupArguments& arguments, const setup::Plan& plan) {
  for (const std::string& note : plan.notes) {
    if (!invocation.json) fmt::print("{}\n", show(note));
  }
  if (plan.changes.empty()) {
    if (invocation.json) print_json(Json{{"changes", Json::array()}});
    else fmt::print("Nothing to change: all is as the answers say.\n");
    return done;
  }
  if (!invocation.json) {
    for (const setup::FileChange& change : plan.changes) show_difference(change);
    std::fflush(stdout);
  }
  if (!arguments.yes && !confirm("Write this?")) return failed;
  auto written = write_changes(plan.changes);
  if (!written) {
    bool may_not = written.error().sys() == EACCES || written.error().sys() == EPERM;
    return complain(invocation, may_not ? denied : io, written.error().text() + ": nothing was changed");
  }
  for (const setup::FileChange& change : plan.changes) {
    if (!invocation.json) fmt::print("written: {}\n", show(change.path));
  }
  Json told{{"changes", changes_json(plan)}, {"notes", plan.notes}};
  int status = arguments.no_reload ? done : reload(invocation, told);
  if (invocation.json) print_json(told);
  return status;
}

// The answers of a file, or of somebody at the terminal. A status: there are none.
std::expected<setup::Answers, int> get_answers(const Invocation& invocation, const SetupArguments& arguments, const setup::Present& present) {
  setup::Answers defaults = defaults_of(present);
  if (!arguments.answers_file.empty()) {
    auto text = read_file(arguments.answers_file, file_limit);
    if (!text) return std::unexpected(complain(invocation, io, text.error().text()));
    auto answers = setup::parse_answers(config::Source{arguments.answers_file, *text}, defaults);
    crypto::wipe(*text);
    if (!answers) return std::unexpected(complain_of(invocation, answers.error()));
    return std::move(*answers);
  }
  if (::isatty(STDIN_FILENO) == 0) {
    return std::unexpected(complain(invocation, usage, "there is no terminal to ask on: give a file with --answers (--print-answers shows one)"));
  }
  auto answers = ask_questions(std::move(defaults), present.credentials.has_value());
  if (!answers) return std::unexpected(complain(invocation, failed, "given up: nothing was changed"));
  return std::move(*answers);
}

int run(const Invocation& invocation, const SetupArguments& arguments) {
  auto present = look(invocation.config_file);
  if (!present) return complain_of(invocation, present.error());
  if (arguments.print_answers) {
    fmt::print("{}", setup::answers_file(defaults_of(*present)));
    return done;
  }
  auto answers = get_answers(invocation, arguments, *present);
  if (!answers) return answers.error();
  auto plan = setup::make_plan(*answers, *present);
  if (!plan) return complain_of(invocation, plan.error());
  return carry_out(invocation, arguments, *plan);
}

}  // namespace

void add_setup(CLI::App& app, Invocation& invocation) {
  static SetupArguments arguments;
  auto* verb = app.add_subcommand("setup", "set this machine up: asks what kind of site it is, and writes conf.d/10-setup.conf");
  verb->add_option("--answers", arguments.answers_file, "a file of answers, instead of questions on the terminal");
  verb->add_flag("--print-answers", arguments.print_answers, "print a file of answers, as things are now, and change nothing");
  verb->add_flag("-y,--yes", arguments.yes, "write without asking");
  verb->add_flag("--no-reload", arguments.no_reload, "write only: the daemon is not told");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return run(invocation, arguments); }; });
}

}  // namespace mansio::ctl
