// The parent: root (or the caller). Opens listeners, starts and restarts the mail processes and their delivery agents,
// passes signals and configurations on. Parses nothing from the network; no threads, no event loop, so that it may
// fork at any time. parent.cpp: its life, what its children say; parent_children.cpp: how they begin and end;
// parent_reload.cpp: what they are told.
#pragma once
#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/reader.hpp"
#include "identity.hpp"
#include "base/shared_counts.hpp"
#include "listeners.hpp"
#include "mail_child.hpp"
#include "secrets.hpp"
#include "sources.hpp"
#include "ticket_keys.hpp"

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
  // parent.cpp
  bool prepare();
  bool prepare_sharing();
  void watch_signals();
  bool over() const;
  int patience() const;
  void wait_and_handle();
  void handle_signal(int number);
  void handle_packets(MailChild& child);
  void handle_packet(MailChild& child, char tag, const std::string& text);
  void look_if_ready();
  void announce(const std::string& addresses);
  void stop();
  void give_up(int exit_status);
  void notice(const std::string& text);

  // parent_children.cpp
  bool start_mail(MailChild& child);
  [[noreturn]] void become_mail(const MailChild& child, UniqueFd channel);
  int agents_of(const MailChild& child) const;
  void start_agents(MailChild& child);
  void start_password_agents(MailChild& child);
  void end_password_agents(MailChild& child);
  void start_agent(MailChild& child, int number, deliver::AgentKind kind);
  [[noreturn]] void become_agent(const std::string& what, deliver::AgentKind kind, UniqueFd channel);
  std::string agent_title(const MailChild& child, int number, deliver::AgentKind kind) const;
  std::string name_of(const MailChild& child) const;
  void title(const std::string& what) const;
  void reap();
  void agent_died(MailChild& child, Agent agent, int status);
  void mail_died(MailChild& child, int status);
  void start_what_is_due();
  void let_go_of_terminal();

  // parent_reload.cpp
  void send(MailChild& child, char tag, const std::string& text, int fd = -1);
  void send_all(char tag, const std::string& text);
  void send_shared(MailChild& child);
  void turn_ticket_keys();
  void pass_on(const MailChild& from, const std::string& word);
  void send_listeners(MailChild& child, const std::vector<ListenerSocket>& wanted);
  void send_configuration(MailChild& child);
  void send_secrets(MailChild& child, const Secrets& secrets);
  Secrets take_secrets();
  void look_at_secrets();
  std::vector<std::string> reload();
  std::vector<std::string> refuse(std::vector<std::string> reasons);
  std::string why_only_a_restart(const config::Config& wanted) const;
  void use(Sources sources, config::ConfigPtr config);
  void reload_for(const MailChild& child);
  void look_if_reloaded();

  ParentOptions options_;
  Sources sources_;
  config::ConfigPtr config_;
  ServiceUser user_;
  std::map<std::string, UniqueFd> sockets_;
  SecretWatch secret_watch_;
  UniqueFd signals_;
  sigset_t old_mask_{};
  std::deque<MailChild> children_;         // in order of their numbers; those that drain come last
  UniqueFd counts_file_;                   // these four: of several mail processes
  std::shared_ptr<SharedCounts> counts_;
  TicketKeys ticket_keys_;
  std::optional<MonotonicTime> ticket_turn_;
  std::string addresses_;                  // where mail 0 answers
  std::vector<std::string> untold_;        // notices, while nobody is there to write them down
  std::uint64_t generation_ = 1;           // of the configuration
  std::vector<int> askers_;                // numbers of processes that wait for the end of a reload
  bool ready_ = false, stopping_ = false, failed_ = false, reloading_ = false;
  int exit_status_ = 0;
};

}  // namespace mansio::daemon
