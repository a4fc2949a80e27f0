// mansioctl: see man/mansioctl.8. One verb a file; this one reads the command line.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "mansioctl.hpp"

int main(int argc, char** argv) {
  using namespace mansio::daemon;
  CLI::App app("control of mansio");
  PasswdArguments passwd;
  passwd.config_file = MANSIO_CONFIG;
  app.set_version_flag("--version,-V", "mansioctl " MANSIO_VERSION);
  app.add_option("-c,--config", passwd.config_file, "configuration file")->capture_default_str();
  app.require_subcommand(1);
  auto* verb = app.add_subcommand("passwd", "set the password of a user in the users file, or take the user out");
  verb->add_option("-c,--config", passwd.config_file, "configuration file");
  verb->add_option("user", passwd.user, "the name, with or without @domain")->required();
  verb->add_option("--file", passwd.file, "the users file, instead of the one that the configuration names");
  auto* scheme = verb->add_option("--scheme", passwd.scheme, "how the password is kept")->capture_default_str();
  auto* remove = verb->add_flag("--delete", passwd.remove, "take the user out");
  auto* from_stdin = verb->add_flag("--stdin", passwd.from_stdin, "read the password as one line from standard input");
  verb->add_flag("--json", passwd.json, "say in JSON what was done");
  remove->excludes(scheme)->excludes(from_stdin);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    // It may be a password, typed where none is taken: not repeated.
    fmt::print(stderr, "mansioctl: more words than are taken (a password is never one of them); see mansioctl --help\n");
    return ctl::usage;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ctl::done : ctl::usage;
  }
  std::ranges::transform(passwd.scheme, passwd.scheme.begin(), mansio::ascii_upper);
  return run_passwd(passwd);
}
