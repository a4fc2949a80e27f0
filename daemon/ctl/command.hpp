// mansioctl's frame: what all of its commands share. A command is a file of this folder with a function that adds it to
// the command line and, when it was chosen, leaves what is to run. man/mansioctl.8 is its reference.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace CLI {
class App;
}

namespace mansio::ctl {

// Exit statuses (man/mansioctl.8).
enum Exit : int {
  done = 0,
  failed = 1,          // nothing matched, or a check failed
  usage = 64,
  data = 65,           // what was given (a file of answers, a log) can't be understood
  unavailable = 69,    // the daemon doesn't run
  software = 70,       // the daemon's answer makes no sense
  io = 74,
  busy = 75,
  denied = 77,
  config = 78,
};

// What every command is told. One for the whole run of the program.
struct Invocation {
  std::string config_file;               // absolute, or as given with --config
  std::string instance;                  // --instance, or as the file's path says; "": the machine's mail server
  bool json = false;                     // --json: objects on standard output, one a line, and nothing else there
  std::function<int()> chosen;           // set by the command that the command line names; gives the exit status
};

// Each adds its command, with options whose variables live as long as the program.
void add_badmail(CLI::App& app, Invocation& invocation);
void add_check(CLI::App& app, Invocation& invocation);
void add_completion(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);
void add_drain(CLI::App& app, Invocation& invocation);
void add_passwd(CLI::App& app, Invocation& invocation);
void add_pause(CLI::App& app, Invocation& invocation);
void add_queue(CLI::App& app, Invocation& invocation);
void add_reload(CLI::App& app, Invocation& invocation);
void add_report(CLI::App& app, Invocation& invocation);
void add_resume(CLI::App& app, Invocation& invocation);
void add_sessions(CLI::App& app, Invocation& invocation);
void add_replay(CLI::App& app, Invocation& invocation);
void add_settings(CLI::App& app, Invocation& invocation);
void add_status(CLI::App& app, Invocation& invocation);
void add_top(CLI::App& app, Invocation& invocation);
void add_trace(CLI::App& app, Invocation& invocation);
void add_why(CLI::App& app, Invocation& invocation);
void add_setup(CLI::App& app, Invocation& invocation);

// "mansioctl: TEXT" on standard error; control bytes are escaped. With --json also {"error":TEXT,"exit":N} on standard
// output. Gives `exit`.
int complain(const Invocation& invocation, Exit exit, std::string_view text);

// An object on a line of standard output; what is no UTF-8 in it is replaced.
void print_json(const nlohmann::json& object);

// Asks on the terminal and gives whether the answer was yes. Without a terminal it is no, and says that --yes is needed.
bool confirm(const std::string& question);

}  // namespace mansio::ctl
