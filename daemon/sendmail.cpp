// sendmail, mailq, newaliases, runq, rsmtp, rmail: one program, told apart by its name. It holds no rights of its own:
// what it may do the daemon decides by the caller's uid, which it asks the kernel for.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "sendmail_compose.hpp"
#include "sendmail_control.hpp"
#include "sendmail_log.hpp"
#include "sendmail_options.hpp"
#include "sendmail_setup.hpp"

namespace mansio::sendmail {
namespace {

Exit refuse(Exit exit, std::string_view text) {
  fmt::print(stderr, "sendmail: {}\n", text);
  return exit;
}

Exit run(const Options& options, const Setup& setup) {
  switch (options.mode) {
    case Mode::submit: return submit_message(options, setup);
    case Mode::smtp: return relay_session(setup);
    case Mode::daemon: return refuse(Exit::unavailable, "the daemon is mansiod; start it with: systemctl start mansio");
    case Mode::aliases: return reload_aliases(setup.control_socket());
    case Mode::route:
    case Mode::verify: return show_routes(setup.control_socket(), options);
    case Mode::list: return list_queue(setup.control_socket(), options);
    case Mode::count: return count_queue(setup.control_socket());
    case Mode::run_queue: return run_queue(setup.control_socket(), options);
    case Mode::settings: return refuse(Exit::unavailable, "-bP: not available in this version");
    case Mode::queue_verb: return act_on_messages(setup.control_socket(), options);
    case Mode::show: return show_messages(setup.control_socket(), options);
    case Mode::show_log: return show_log(setup.log_directory, options);
    case Mode::version: break;
  }
  fmt::print("mansio {}\n", MANSIO_VERSION);
  return Exit::ok;
}

// Whoever installed this set-uid made a mistake: the rights go first of all.
bool drop_privileges() {
  return ::setresgid(::getgid(), ::getgid(), ::getgid()) == 0 && ::setresuid(::getuid(), ::getuid(), ::getuid()) == 0;
}

// A caller may have closed 0, 1 or 2: then files of ours must not get these numbers.
void fill_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= 2) fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd > 2) ::close(fd);
}

Exit start(const std::vector<std::string_view>& argv) {
  auto options = parse_options(argv);
  if (!options) return refuse(Exit::usage, options.error().text());
  if (options->mode == Mode::version) return run(*options, Setup{});
  auto setup = load_setup(options->config_file);
  if (!setup) return refuse(Exit::config, setup.error().text());
  return run(*options, *setup);
}

}  // namespace
}  // namespace mansio::sendmail

int main(int argc, char** argv) {
  using namespace mansio::sendmail;
  fill_standard_descriptors();
  if (!drop_privileges()) return static_cast<int>(Exit::os);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  Exit exit = Exit::software;
  try {
    std::vector<std::string_view> words(argv, argv + argc);
    exit = start(words);
  } catch (const std::exception& error) {
    fmt::print(stderr, "sendmail: {}\n", error.what());
    exit = Exit::os;
  }
  bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return static_cast<int>(exit == Exit::ok && !written ? Exit::io : exit);
}
