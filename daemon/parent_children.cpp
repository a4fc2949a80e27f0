// How the parent's children begin and end.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// bsd/unistd.h would redeclare closefrom.
extern "C" void setproctitle(const char* format, ...);

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "channel.hpp"
#include "confinement.hpp"
#include "deliver/agent.hpp"
#include "deliver/password_check.hpp"
#include "event/packet_socket.hpp"
#include "mail_process.hpp"
#include "parent.hpp"

namespace mansio::daemon {
namespace {

constexpr int password_agents = 2;   // of each mail process, when PAM is asked

// In a child: everything but 0, 1, 2 and `keep` is somebody else's.
void close_others(std::vector<int> keep) {
  keep.insert(keep.end(), {0, 1, 2});
  std::ranges::sort(keep);
  unsigned next = 0;
  for (int fd : keep) {
    if (static_cast<unsigned>(fd) > next) ::close_range(next, static_cast<unsigned>(fd) - 1, 0);
    next = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(next, ~0u, 0);
}

}  // namespace

// In the background nobody reads 0, 1 and 2, and whoever started the daemon waits for their end.
void Parent::let_go_of_terminal() {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd : {0, 1, 2}) {
    if (null) ::dup2(null.get(), fd);
  }
}

// Which daemon's process it is, for ps.
void Parent::title(const std::string& what) const {
  setproctitle("%s", (config_->instance.empty() ? what : what + " (" + config_->instance + ")").c_str());
}

std::string Parent::name_of(const MailChild& child) const {
  return children_.size() == 1 ? "the mail process" : fmt::format("mail process {}", child.number);
}

// ---- the mail processes

bool Parent::start_mail(MailChild& child) {
  child.due.reset();
  auto pair = event::packet_pair();
  if (!pair) return false;
  pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) become_mail(child, std::move(pair->second));
  child.pid = pid;
  child.started = std::chrono::steady_clock::now();
  child.channel = std::move(pair->first);
  child.configured = generation_;
  if (!child.drains) send_listeners(child, wanted_sockets(*config_));
  send_shared(child);
  start_agents(child);
  send_secrets(child, take_secrets());
  send_configuration(child);
  for (const std::string& text : std::exchange(untold_, {})) send(child, tag_notice, text);
  return true;
}

void Parent::become_mail(const MailChild& child, UniqueFd channel) {
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  title(fmt::format("mail {}", child.number));
  MailOptions options;
  options.foreground = options_.foreground;
  options.service = user_;
  options.number = child.number;
  options.count = children_.back().number + 1;
  options.drains = child.drains;
  // The descriptors' owners of this copy of the parent never run their destructors: the process ends in _exit.
  close_others({channel.get()});
  if (options_.background) let_go_of_terminal();     // the parent prints what hinders the start
  empty_bounding_set();
  auto dropped = become(user_);
  if (!dropped) {
    fmt::print(stderr, "mansiod: {}\n", dropped.error().text());
    ::_exit(78);
  }
  prepare_spool(*config_);
  Confinement confinement;
  confinement.system_calls = config_->system_calls;
  confinement.spool_directory = config_->spool_directory;
  confinement.number = options.number;
  confinement.count = options.count;
  confinement.channel = channel.get();
  options.lacking = confine_mail(confinement);
  ::_exit(mail_main(std::move(channel), options));
}

void Parent::reap() {
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    for (MailChild& child : children_) {
      if (pid == child.pid) mail_died(child, status);
      std::erase_if(child.leaving, [&](const Agent& agent) { return agent.pid == pid; });
      auto it = std::ranges::find(child.agents, pid, &Agent::pid);
      if (it == child.agents.end()) continue;
      Agent agent = *it;
      child.agents.erase(it);
      agent_died(child, agent, status);
    }
  }
}

// Its shard is recovered by the next one. The others go on meanwhile.
void Parent::mail_died(MailChild& child, int status) {
  handle_packets(child);      // its last words
  auto now = std::chrono::steady_clock::now();
  Duration delay = child.died(now);
  if (counts_) counts_->forget(static_cast<unsigned>(child.number));
  look_if_reloaded();
  std::string end = describe_exit(status), refused = std::exchange(child.refused, "");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) end += ": " + describe_refused_call(refused);
  if (stopping_ || failed_) return;
  bool finished = child.drains && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (finished) return notice(fmt::format("{}/{} is empty: nobody delivers from it any more", config_->spool_directory, child.number));
  if (!ready_ && !child.drains) {
    fmt::print(stderr, "mansiod: {} {} before it was ready\n", name_of(child), end);
    return give_up(WIFEXITED(status) && WEXITSTATUS(status) == 78 ? 78 : 75);
  }
  child.due = now + delay;
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay).count();
  notice(fmt::format("{} {}: {}", name_of(child), end, seconds == 0 ? "starting it again" : fmt::format("starting it again in {} s", seconds)));
}

// What an agent is still writing, the next mail process (ours, or that of a daemon started after us) would deliver
// again, under the same temporary name: it ends first, or is ended after ten seconds.
void Parent::start_what_is_due() {
  auto now = std::chrono::steady_clock::now();
  for (MailChild& child : children_) {
    if (child.alive() && !child.lacking.empty() && now >= child.try_again && !stopping_) {
      for (const Agent& agent : std::exchange(child.lacking, {})) start_agent(child, agent.number, agent.kind);
    }
    if (child.alive()) continue;
    child.lacking.clear();
    for (const Agent& agent : child.leaving) {
      if (now >= child.patience) ::kill(agent.pid, SIGKILL);
    }
    if (!child.leaving.empty() && now >= child.patience) child.patience = now + std::chrono::seconds(1);
    bool due = child.due && *child.due <= now && child.leaving.empty();
    if (!due || stopping_ || failed_) continue;
    if (!start_mail(child)) child.due = now + std::chrono::seconds(1);
  }
}

// ---- their agents

// deliver.agents are shared out among the mail processes; each has one at least.
int Parent::agents_of(const MailChild& child) const {
  int all = static_cast<int>(config_->deliver_agents), processes = static_cast<int>(config_->mail_processes);
  if (child.drains) return 1;
  return std::max(1, all / processes + (child.number < all % processes ? 1 : 0));
}

void Parent::start_agents(MailChild& child) {
  start_agent(child, 0, deliver::AgentKind::lookups);
  for (int i = 1; i <= agents_of(child); ++i) start_agent(child, i, deliver::AgentKind::deliveries);
  start_password_agents(child);
}

void Parent::start_password_agents(MailChild& child) {
  if (config_->auth.users != config::AuthUsers::pam || child.drains) return;
  for (int i = 1; i <= password_agents; ++i) start_agent(child, i, deliver::AgentKind::passwords);
}

// They have nothing to finish: the client of a check under way is told to try again.
void Parent::end_password_agents(MailChild& child) {
  for (const Agent& agent : child.agents) {
    if (agent.kind == deliver::AgentKind::passwords) ::kill(agent.pid, SIGKILL);
  }
  std::erase_if(child.agents, [](const Agent& agent) { return agent.kind == deliver::AgentKind::passwords; });
}

void Parent::start_agent(MailChild& child, int number, deliver::AgentKind kind) {
  Agent agent;
  agent.kind = kind;
  agent.number = number;
  auto pair = event::packet_pair();
  pid_t pid = pair ? ::fork() : -1;
  if (pid < 0) {
    notice(fmt::format("delivery agent: {}; trying again", pair ? std::string("fork: ") + std::strerror(errno) : pair.error().text()));
    child.lacking.push_back(agent);
    child.try_again = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    return;
  }
  if (pid == 0) become_agent(agent_title(child, number, kind), kind, std::move(pair->second));
  agent.pid = pid;
  child.agents.push_back(agent);
  send(child, tag_agent, std::string(1, agent_letters[static_cast<std::size_t>(kind)]), pair->first.get());
}

// "deliver 2", and of the third mail process "deliver 2.2".
std::string Parent::agent_title(const MailChild& child, int number, deliver::AgentKind kind) const {
  std::string of = children_.size() == 1 ? "" : fmt::format("{}.", child.number);
  if (kind == deliver::AgentKind::passwords) return fmt::format("passwords {}{}", of, number);
  if (kind == deliver::AgentKind::lookups) return children_.size() == 1 ? "deliver (users)" : fmt::format("deliver (users) {}", child.number);
  return fmt::format("deliver {}{}", of, number);
}

void Parent::become_agent(const std::string& what, deliver::AgentKind kind, UniqueFd channel) {
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  // TERM goes to the parent, which lets deliveries end: agents end when their channel closes.
  for (int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) std::signal(each, SIG_IGN);
  title(what);
  ticket_keys_.wipe();
  close_others({channel.get()});
  if (options_.background) let_go_of_terminal();
  if (kind == deliver::AgentKind::passwords) ::_exit(deliver::password_agent_main(channel.release(), {}));
  confine_agent(config_->system_calls);
  deliver::AgentOptions options;
  options.may_be_root = ::getuid() == 0 && !user_.switches;
  ::_exit(deliver::agent_main(channel.release(), options));
}

void Parent::agent_died(MailChild& child, Agent agent, int status) {
  if (!child.alive() || stopping_ || failed_ || !child.channel) return;
  const char* what = agent.kind == deliver::AgentKind::passwords ? "password" : "delivery";
  std::string of = children_.size() == 1 ? "" : fmt::format(" of {}", name_of(child));
  notice(fmt::format("{} agent {}{} {}: starting another", what, agent.number, of, describe_exit(status)));
  start_agent(child, agent.number, agent.kind);
}

}  // namespace mansio::daemon
