#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "config/instance.hpp"
#include "configuration_check.hpp"
#include "ctl/check_machine.hpp"
#include "ctl/daemon_link.hpp"
#include "ctl/findings.hpp"
#include "doctor/checks.hpp"
#include "doctor/name_servers.hpp"
#include "event/scope.hpp"
#include "sendmail_socket.hpp"

namespace mansio::ctl {
namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::State;

// As `mansiod check` tells them, for editors that jump to "file:line:".
int tell_mistakes(const Invocation& invocation, const config::Problems& problems) {
  for (const config::Problem& problem : problems) {
    if (invocation.json) print_findings(invocation, {Finding("configuration", State::bad, problem.message(), "mend the file")});
    else fmt::print(stderr, "{}\n", problem.message());
  }
  return config;
}

Findings check_user(const config::Config& config, const Result<daemon::ServiceUser>& user) {
  if (!user) return {Finding("run_as", State::bad, user.error().text())};
  if (user->switches) return {Finding("run_as", State::ok, fmt::format("{} (uid {})", user->name, user->uid))};
  if (::getuid() == 0) return {Finding("run_as", State::warning, "the daemon runs as root", "set run_as to a user of its own, \"mansio\"")};
  std::string seen = "everything runs as the user who starts it";
  return {Finding("run_as", State::note, config.run_as.empty() ? seen : seen + fmt::format("; started by root it would be {}", config.run_as))};
}

// "setting: file: text" and "file:line: text".
Findings tell_files(const daemon::CheckedFiles& checked, const config::Config& config) {
  Findings out;
  for (const std::string& problem : checked.problems) out.emplace_back("files", State::bad, problem);
  for (const daemon::SecretFile& file : checked.hidden) {
    out.emplace_back("files", State::skipped, fmt::format("{}: {}: this user may not read it: run it as root", file.setting, file.path));
  }
  if (out.empty()) out.emplace_back("files", State::ok, fmt::format("{} files of secrets, and all tables, can be read", daemon::secret_files(config).size()));
  return out;
}

event::Task<> ask_names(event::Loop& loop, const config::Config& config, Findings* out) {
  auto text = read_file("/etc/resolv.conf", 64 << 10);
  auto options = doctor::resolver_options(config, text ? *text : std::string());
  *out = co_await doctor::check_name_servers(loop, options, config.host_name, nullptr);
  if (std::ranges::none_of(*out, [](const Finding& one) { return one.state != State::bad; })) {
    out->emplace_back("host_name", State::skipped, config.host_name + ": no name server answers");
    co_return;
  }
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  dns::Resolver resolver(loop, scope, options);
  doctor::ResolverNames names(resolver);
  auto own = co_await doctor::check_host_name(names, config.host_name);
  resolver.stop();
  co_await scope.join();
  out->insert(out->end(), own.begin(), own.end());
}

Findings check_names(const config::Config& config) {
  bool sends = std::ranges::any_of(config.transports, [](const config::Transport& one) { return one.kind == config::TransportKind::smtp; });
  if (!sends) return {Finding("dns_server", State::note, "not asked: no transport leads to other hosts")};
  Findings out;
  event::Loop loop;
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  scope.spawn(ask_names(loop, config, &out));
  loop.run();
  return out;
}

// Does a daemon run, and with what the files say now?
Finding check_running(const Invocation& invocation, const config::Config& config) {
  DaemonLink link(invocation);
  auto tried = sendmail::connect_unix(link.socket());
  if (!tried) {
    bool denied = tried.error().sys() == EACCES;
    return {"running", denied ? State::skipped : State::note, denied ? "you may not ask the daemon" : "no daemon runs with this configuration",
            denied ? "" : "systemctl start " + config::unit_of(config.instance)};
  }
  Finding out("running", State::skipped, "the daemon does not say which configuration it uses");
  Json question{{"command", "status"}};
  link.ask(question, [&](const Json& answer) {
    std::string used = text_of(answer, "fingerprint");
    if (used.empty()) return 0;
    if (used == config.fingerprint) {
      out = Finding("running", State::ok, "the daemon runs with this configuration");
    } else {
      out = Finding("running", State::warning, "the daemon runs with an older configuration than the files say", config.instance.empty() ? "mansioctl reload" : "mansioctl -i " + config.instance + " reload");
    }
    return 0;
  });
  return out;
}

int run(const Invocation& invocation) {
  auto loaded = daemon::load_configuration(invocation.config_file);
  if (!loaded) return tell_mistakes(invocation, loaded.error());
  const config::Config& config = *loaded->config;
  Findings all;
  auto tell = [&](Findings findings) {
    print_findings(invocation, findings);
    std::fflush(stdout);
    std::ranges::move(findings, std::back_inserter(all));
  };
  std::size_t others = loaded->sources.files.size() - 1;
  tell({Finding("configuration", State::ok, fmt::format("{}{}", config.file, others == 0 ? "" : fmt::format(", and {} of conf.d", others)))});
  auto user = daemon::find_service_user(config);
  tell(check_user(config, user));
  tell(check_operators(config));
  tell(doctor::check_access(config));
  auto checked = daemon::check_files(loaded->config);
  tell(tell_files(checked, config));
  if (user) {
    tell(check_directories(config, *user));
    tell(check_mailboxes(config, *user));
    tell(check_pickups(config, *user));
    tell(check_addresses(checked.tables, *user));
  }
  tell(check_names(config));
  tell({check_running(invocation, config)});
  print_sum(invocation, all);
  return checked.problems.empty() ? exit_of(all) : ctl::config;
}

}  // namespace

void add_check(CLI::App& app, Invocation& invocation) {
  auto* verb = app.add_subcommand("check", "look at the configuration, permissions, users, aliases and name servers");
  verb->callback([&invocation] { invocation.chosen = [&invocation] { return run(invocation); }; });
}

}  // namespace mansio::ctl
