// mansioctl: see man/mansioctl.8. This file reads the command line; each command is a file beside it.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>

#include "config/instance.hpp"
#include "ctl/command.hpp"

namespace {

using namespace mansio::ctl;

int run(int argc, char** argv) {
  CLI::App app("control of mansio");
  Invocation invocation;
  app.set_version_flag("--version,-V", "mansioctl " MANSIO_VERSION);
  app.add_option("-c,--config", invocation.config_file, "configuration file; default: " MANSIO_CONFIG);
  app.add_option("-i,--instance", invocation.instance, "a further mail server of this machine: its configuration and its daemon");
  app.add_flag("--json", invocation.json, "JSON objects on standard output, one a line");
  app.require_subcommand(1);
  app.fallthrough();                       // --config and --json may follow the command
  add_badmail(app, invocation);
  add_check(app, invocation);
  add_completion(app, invocation);
  add_doctor(app, invocation);
  add_drain(app, invocation);
  add_passwd(app, invocation);
  add_pause(app, invocation);
  add_queue(app, invocation);
  add_reload(app, invocation);
  add_replay(app, invocation);
  add_report(app, invocation);
  add_resume(app, invocation);
  add_sessions(app, invocation);
  add_settings(app, invocation);
  add_setup(app, invocation);
  add_status(app, invocation);
  add_top(app, invocation);
  add_trace(app, invocation);
  add_why(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    // It may be a password, typed where none is taken: not repeated.
    fmt::print(stderr, "mansioctl: more words than are taken (a password is never one of them); see mansioctl --help\n");
    return usage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? done : usage;
  }
  auto chosen = mansio::config::choose_instance(invocation.instance, invocation.config_file);
  if (!chosen) return complain(invocation, usage, chosen.error().text());
  invocation.instance = mansio::config::used_instance();
  std::error_code unknown;
  auto absolute = std::filesystem::absolute(invocation.config_file, unknown);
  if (!unknown) invocation.config_file = absolute.string();
  return invocation.chosen();
}

}  // namespace

int main(int argc, char** argv) {
  int status = run(argc, argv);
  if (std::fflush(stdout) != 0 && status == done) return io;
  return status;
}
