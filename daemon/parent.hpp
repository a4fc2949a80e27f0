// The parent: root (or the caller). Opens listeners, starts and restarts the mail process and the delivery agents,
// passes signals and configurations on. Parses nothing from the network; no threads, no event loop, so that it may
// fork at any time.
#pragma once
#include <csignal>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/reader.hpp"
#include "deliver/agent_pool.hpp"
#include "identity.hpp"
#include "listeners.hpp"
#include "secrets.hpp"
#include "sources.hpp"

namespace mansio::daemon {

struct ParentOptions {
  std::string config_file;       // absolute
  bool foreground = false;       // copy the logs to stderr, print "ready ADDRESS:PORT …" on stdout
  bool background = false;       // 0, 1 and 2 are given up once it answers
  int ready_pipe = -1;           // of a process that waits to go to the background: written once, then closed
};

class Parent {
 public:
  Parent(ParentOptions options, Sources sources, config::ConfigPtr config, ServiceUser user);
  // Until TERM or INT, or a start that failed. The exit status: 0, 75 (EX_TEMPFAIL), 78 (EX_CONFIG).
  int run();

 private:
  struct Child {
    pid_t pid = -1;
    deliver::AgentKind kind = deliver::AgentKind::deliveries;
    int number = 0;
  };

  bool start_mail();
  void start_agents();
  void start_password_agents();
  void end_password_agents();
  void start_agent(int number, deliver::AgentKind kind);
  [[noreturn]] void become_mail(UniqueFd channel);
  [[noreturn]] void become_agent(UniqueFd channel, int number, deliver::AgentKind kind);
  void send(char tag, const std::string& text, int fd = -1);
  void send_configuration();
  void send_secrets();
  void look_at_secrets();
  void notice(const std::string& text);

  void handle_signal(int number);
  void handle_packet();
  void reap();
  void mail_died(int status);
  void end_agents(const std::vector<Child>& agents) const;
  std::vector<std::string> reload();
  void announce(const std::string& addresses);
  void notify_systemd(const std::string& state) const;
  std::string describe_exit(int status) const;

  ParentOptions options_;
  Sources sources_;
  config::ConfigPtr config_;
  ServiceUser user_;
  std::map<std::string, UniqueFd> sockets_;
  SecretWatch secret_watch_;
  UniqueFd signals_, channel_;
  sigset_t old_mask_{};
  pid_t mail_ = -1;
  std::vector<Child> agents_;
  bool ready_ = false, stopping_ = false, failed_ = false;
  int exit_status_ = 0, restarts_ = 0;
  std::int64_t mail_started_ = 0;
};

}  // namespace mansio::daemon
