// mansiod: see man/mansiod.8. Reads the configuration, then becomes the parent process.
#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "base/sabotage.hpp"
#include "config/describe.hpp"
#include "config/installed.hpp"
#include "config/instance.hpp"
#include "configuration_check.hpp"
#include "parent.hpp"

extern "C" void setproctitle_init(int argc, char* argv[], char* envp[]);

namespace mansio::daemon {
namespace {

constexpr int exit_config = 78, exit_temporary = 75, exit_usage = 64;

// Prints every mistake of every file; nullopt when there are any.
std::optional<LoadedConfiguration> load(const std::string& path) {
  auto loaded = load_configuration(path);
  if (loaded) return std::move(*loaded);
  for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem.message());
  return std::nullopt;
}

int check(const std::string& path, bool print) {
  auto loaded = load(path);
  if (!loaded) return exit_config;
  CheckedFiles checked = check_files(loaded->config);
  for (const SecretFile& file : checked.hidden) {
    fmt::print(stderr, "{}: {}: not checked, since this user may not read it\n", file.setting, file.path);
  }
  for (const auto& problem : checked.problems) fmt::print(stderr, "{}\n", problem);
  if (!checked.problems.empty()) return exit_config;
  if (print) fmt::print("{}", config::describe(*loaded->config));
  else fmt::print("{}: the configuration is good\n", path);
  return 0;
}

// The caller waits until the daemon answers, so that whoever started it may connect at once. Gives the daemon's end
// of the pipe in the new process.
int to_background() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return -1;
  pid_t pid = ::fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    ::close(ends[0]);
    ::setsid();
    [[maybe_unused]] int there = ::chdir("/");     // holds no file system busy; all paths are absolute by now
    return ends[1];
  }
  ::close(ends[1]);
  char answer;
  if (::read(ends[0], &answer, 1) == 1) ::_exit(0);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : exit_temporary);
}

int start(const std::string& path, bool foreground) {
  if (auto broken = sabotage_notice(); !broken.empty()) {
    fmt::print(stderr, "mansiod: {}\n", broken);
    if (path.starts_with(std::string(config::installed_directory) + "/")) return exit_config;
  }
  auto loaded = load(path);
  if (!loaded) return exit_config;
  auto user = find_service_user(*loaded->config);
  if (!user) {
    fmt::print(stderr, "mansiod: {}\n", user.error().text());
    return exit_config;
  }
  ParentOptions options;
  options.config_file = path;
  options.foreground = foreground;
  // Under systemd (Type=notify) the process that was started is the daemon.
  if (!foreground && std::getenv("NOTIFY_SOCKET") == nullptr) {
    options.ready_pipe = to_background();
    options.background = options.ready_pipe >= 0;
  }
  Parent parent(std::move(options), std::move(loaded->sources), loaded->config, std::move(*user));
  return parent.run();
}

}  // namespace
}  // namespace mansio::daemon

int main(int argc, char** argv) {
  setproctitle_init(argc, argv, environ);
  CLI::App app("mansio's mail daemon");
  std::string path, instance;
  bool foreground = false, print = false;
  std::string version = "mansiod " MANSIO_VERSION;
  if (auto broken = mansio::sabotage_notice(); !broken.empty()) version += "\n" + std::string(broken);
  app.set_version_flag("--version,-V", version);
  app.add_option("-c,--config", path, "configuration file; default: " MANSIO_CONFIG);
  app.add_option("-i,--instance", instance, "a further mail server of this machine, with a configuration and directories of its own");
  app.fallthrough();
  app.add_flag("-f,--foreground", foreground, "stay in the foreground, copy the logs to stderr, print a line `ready` on stdout");
  auto* check = app.add_subcommand("check", "check the configuration and the tables it names: exit 0, or 78 with file:line: text for each mistake");
  check->add_flag("--print", print, "print the configuration as it takes effect");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    int status = app.exit(error);
    return status == 0 ? 0 : mansio::daemon::exit_usage;
  }
  if (auto chosen = mansio::config::choose_instance(instance, path); !chosen) {
    fmt::print(stderr, "mansiod: {}\n", chosen.error().text());
    return mansio::daemon::exit_usage;
  }
  char absolute[PATH_MAX];
  if (path.find('\0') == std::string::npos && ::realpath(path.c_str(), absolute) != nullptr) path = absolute;
  return *check ? mansio::daemon::check(path, print) : mansio::daemon::start(path, foreground);
}
