#include "parent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

// bsd/unistd.h would redeclare closefrom.
extern "C" void setproctitle(const char* format, ...);

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <utility>

#include "channel.hpp"
#include "deliver/agent.hpp"
#include "deliver/packet_channel.hpp"
#include "deliver/password_check.hpp"
#include "event/packet_socket.hpp"
#include "mail_process.hpp"

namespace mansio::daemon {
namespace {

constexpr int secret_check_milliseconds = 1000;       // a renewed certificate counts after two of these

constexpr int password_agents = 2;   // when PAM is asked

std::int64_t monotonic_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

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

// In the background nobody reads 0, 1 and 2, and whoever started the daemon waits for their end.
void let_go_of_terminal() {
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd : {0, 1, 2}) {
    if (null) ::dup2(null.get(), fd);
  }
}

}  // namespace

Parent::Parent(ParentOptions options, Sources sources, config::ConfigPtr config, ServiceUser user)
    : options_(std::move(options)), sources_(std::move(sources)), config_(std::move(config)), user_(std::move(user)) {}

int Parent::run() {
  setproctitle("parent");
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int number : {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD}) sigaddset(&wanted, number);
  ::sigprocmask(SIG_BLOCK, &wanted, &old_mask_);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));

  auto prepared = prepare_directories(*config_, user_);
  if (prepared) prepared = open_sockets(wanted_sockets(*config_), sockets_);
  if (!prepared) {
    fmt::print(stderr, "mansiod: {}\n", prepared.error().text());
    return 75;
  }
  if (!start_mail()) return 75;
  while (mail_ > 0 || !stopping_) {
    pollfd watched[2] = {{signals_.get(), POLLIN, 0}, {channel_.get(), POLLIN, 0}};
    int ready = ::poll(watched, channel_ ? 2 : 1, secret_watch_.idle() ? -1 : secret_check_milliseconds);
    if (ready < 0 && errno != EINTR) return 71;
    if (ready == 0) look_at_secrets();
    if (channel_ && (watched[1].revents & (POLLIN | POLLHUP)) != 0) handle_packet();
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) handle_signal(static_cast<int>(info.ssi_signo));
    if (failed_ && mail_ < 0) break;
  }
  return exit_status_;
}

// ---- children

bool Parent::start_mail() {
  auto pair = event::packet_pair();
  if (!pair) return false;
  pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) become_mail(std::move(pair->second));
  mail_ = pid;
  mail_started_ = monotonic_seconds();
  channel_ = std::move(pair->first);
  for (const ListenerSocket& socket : wanted_sockets(*config_)) {
    auto it = sockets_.find(socket.key);
    if (it != sockets_.end()) send(tag_listener, socket.key, it->second.get());
  }
  start_agents();
  send_secrets();
  send_configuration();
  return true;
}

void Parent::become_mail(UniqueFd channel) {
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  setproctitle("mail 0");
  // The descriptors' owners of this copy of the parent never run their destructors: the process ends in _exit.
  close_others({channel.get()});
  if (options_.background) let_go_of_terminal();     // the parent prints what hinders the start
  auto dropped = become(user_);
  if (!dropped) {
    fmt::print(stderr, "mansiod: {}\n", dropped.error().text());
    ::_exit(78);
  }
  MailOptions options;
  options.foreground = options_.foreground;
  options.service = user_;
  ::_exit(mail_main(std::move(channel), options));
}

void Parent::start_agents() {
  start_agent(0, deliver::AgentKind::lookups);
  for (int i = 1; i <= static_cast<int>(config_->deliver_agents); ++i) start_agent(i, deliver::AgentKind::deliveries);
  start_password_agents();
}

void Parent::start_password_agents() {
  if (config_->auth.users != config::AuthUsers::pam) return;
  for (int i = 1; i <= password_agents; ++i) start_agent(i, deliver::AgentKind::passwords);
}

// They have nothing to finish: the client of a check under way is told to try again.
void Parent::end_password_agents() {
  for (const Child& agent : agents_) {
    if (agent.kind == deliver::AgentKind::passwords) ::kill(agent.pid, SIGKILL);
  }
  std::erase_if(agents_, [](const Child& agent) { return agent.kind == deliver::AgentKind::passwords; });
}

void Parent::start_agent(int number, deliver::AgentKind kind) {
  auto pair = event::packet_pair();
  if (!pair) return notice(fmt::format("delivery agent: {}", pair.error().text()));
  pid_t pid = ::fork();
  if (pid < 0) return notice(fmt::format("delivery agent: fork: {}", std::strerror(errno)));
  if (pid == 0) become_agent(std::move(pair->second), number, kind);
  Child child;
  child.pid = pid;
  child.kind = kind;
  child.number = number;
  agents_.push_back(child);
  send(tag_agent, std::string(1, agent_letters[static_cast<std::size_t>(kind)]), pair->first.get());
}

void Parent::become_agent(UniqueFd channel, int number, deliver::AgentKind kind) {
  ::sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  // TERM goes to the parent, which lets deliveries end: agents end when their channel closes.
  for (int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) std::signal(each, SIG_IGN);
  if (kind == deliver::AgentKind::passwords) setproctitle("passwords %d", number);
  else if (kind == deliver::AgentKind::lookups) setproctitle("deliver (users)");
  else setproctitle("deliver %d", number);
  close_others({channel.get()});
  if (options_.background) let_go_of_terminal();
  if (kind == deliver::AgentKind::passwords) ::_exit(deliver::password_agent_main(channel.release(), {}));
  deliver::AgentOptions options;
  options.may_be_root = ::getuid() == 0 && !user_.switches;
  ::_exit(deliver::agent_main(channel.release(), options));
}

void Parent::send(char tag, const std::string& text, int fd) {
  if (!channel_) return;
  // A mail process that died is told of by SIGCHLD.
  (void)deliver::send_packet(channel_.get(), tag + text, fd);
}

void Parent::send_configuration() {
  auto file = to_memory_file(sources_);
  if (file) send(tag_config, "", file->get());
}

// Before the configuration that needs them. Stamps first: what changes while they are read is seen next time.
void Parent::send_secrets() {
  auto files = secret_files(*config_);
  secret_watch_.watch(files);
  auto file = to_memory_file(read_secrets(files, user_));
  if (file) send(tag_secrets, "", file->get());
}

void Parent::look_at_secrets() {
  if (!channel_ || stopping_ || !secret_watch_.changed()) return;
  send_secrets();
  send(tag_renew, "");
}

void Parent::notice(const std::string& text) {
  fmt::print(stderr, "mansiod: {}\n", text);
  send(tag_notice, text);
}

// ---- events

void Parent::handle_signal(int number) {
  switch (number) {
    case SIGCHLD: return reap();
    case SIGUSR1: return send(tag_reopen, "");
    case SIGHUP:
      send(tag_reopen, "");
      return (void)reload();
    default:
      if (stopping_ && mail_ > 0) ::kill(mail_, SIGKILL);   // asked twice: what is durable stays so
      stopping_ = true;
      notify_systemd("STOPPING=1");
      send(tag_stop, "");
  }
}

void Parent::handle_packet() {
  std::string packet(65536, '\0');
  ssize_t n = ::recv(channel_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
  if (n <= 0) {
    if (n == 0) channel_.reset();    // its end is told by SIGCHLD
    return;
  }
  packet.resize(static_cast<std::size_t>(n));
  std::string text = packet.substr(1);
  if (packet[0] == tag_ready) announce(text);
  if (packet[0] == tag_reloaded) notify_systemd("READY=1");
  if (packet[0] == tag_reload) {
    send(tag_reopen, "");
    std::string answer;
    for (const std::string& why : reload()) answer += why.substr(0, 500) + '\n';
    send(tag_answer, answer.substr(0, 60'000));
  }
  if (packet[0] == tag_failed) {
    fmt::print(stderr, "mansiod: {}\n", text);
    if (!ready_) {
      failed_ = true;
      exit_status_ = 75;
    }
  }
}

void Parent::announce(const std::string& addresses) {
  if (!ready_ && options_.foreground) {
    fmt::print("ready {}\n", addresses);
    std::fflush(stdout);
  }
  if (!ready_ && options_.ready_pipe >= 0) {
    let_go_of_terminal();
    if (::write(options_.ready_pipe, "y", 1) == 1) ::close(options_.ready_pipe);
    options_.ready_pipe = -1;
  }
  ready_ = true;
  notify_systemd(fmt::format("READY=1\nSTATUS=answering on {}", addresses));
}

void Parent::notify_systemd(const std::string& state) const { ::sd_notify(0, state.c_str()); }

std::string Parent::describe_exit(int status) const {
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

void Parent::reap() {
  int status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == mail_) {
      mail_died(status);
      continue;
    }
    auto it = std::ranges::find(agents_, pid, &Child::pid);
    if (it == agents_.end()) continue;
    Child child = *it;
    agents_.erase(it);
    if (mail_ < 0 || stopping_ || !channel_) continue;
    const char* what = child.kind == deliver::AgentKind::passwords ? "password" : "delivery";
    notice(fmt::format("{} agent {} {}: starting another", what, child.number, describe_exit(status)));
    start_agent(child.number, child.kind);
  }
}

void Parent::mail_died(int status) {
  if (channel_) handle_packet();      // its last words
  mail_ = -1;
  channel_.reset();
  auto agents = std::exchange(agents_, {});   // their channels are closed: each ends after the job it is at
  if (stopping_ || failed_) {
    if (!stopping_ && exit_status_ == 0) exit_status_ = 75;
    end_agents(agents);
    return;
  }
  if (!ready_) {
    fmt::print(stderr, "mansiod: the mail process {} before it was ready\n", describe_exit(status));
    failed_ = true;
    exit_status_ = WIFEXITED(status) && WEXITSTATUS(status) == 78 ? 78 : 75;
    return;
  }
  // Back-off: at once after a long life, up to half a minute when it keeps dying.
  restarts_ = monotonic_seconds() - mail_started_ > 60 ? 0 : restarts_ + 1;
  int delay = restarts_ == 0 ? 0 : std::min(30, 1 << std::min(restarts_ - 1, 5));
  std::string text = fmt::format("the mail process {}: {}", describe_exit(status), delay == 0 ? "starting it again" : fmt::format("starting it again in {} s", delay));
  fmt::print(stderr, "mansiod: {}\n", text);
  for (int left = delay * 10; left > 0 && !stopping_; --left) {
    ::usleep(100'000);
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stopping_ = true;
    }
  }
  end_agents(agents);
  if (stopping_) return;
  if (!start_mail()) return;
  send(tag_notice, text);
}

// What an agent is still writing, the next mail process (ours, or that of a daemon started after us) would deliver
// again, under the same temporary name: it ends first, or is ended after ten seconds.
void Parent::end_agents(const std::vector<Child>& agents) const {
  int patience = 1000;
  for (const Child& agent : agents) {
    while (::waitpid(agent.pid, nullptr, WNOHANG) == 0) {
      if (patience-- <= 0) ::kill(agent.pid, SIGKILL);
      ::usleep(10'000);
    }
  }
}

// A configuration that doesn't hold leaves everything as it was, and says so where an admin looks: in the panic log, and to
// the one who asked. Gives what is wrong with it; nothing: it is on its way to the mail process.
std::vector<std::string> Parent::reload() {
  notify_systemd("RELOADING=1");
  auto refuse = [this](std::vector<std::string> reasons) {
    std::string all;
    for (const std::string& reason : reasons) all += (all.empty() ? "" : "; ") + reason;
    notice("reload: " + all + ": the old configuration stays in use");
    notify_systemd("READY=1");
    return reasons;
  };
  auto files = config::read_sources(options_.config_file);
  if (!files) return refuse({files.error().front().message()});
  Sources sources;
  sources.files = std::move(*files);
  sources.facts = config::machine_facts(sources.files);
  auto parsed = config::parse(sources.files, sources.facts);
  if (!parsed) {
    std::vector<std::string> all;
    for (const auto& problem : parsed.error()) all.push_back(problem.message());
    return refuse(std::move(all));
  }
  if ((*parsed)->spool_directory != config_->spool_directory || (*parsed)->run_as != config_->run_as ||
      (*parsed)->run_directory != config_->run_directory) {
    return refuse({"spool_directory, run_directory and run_as change only with a restart"});
  }
  auto wanted = wanted_sockets(**parsed);
  auto opened = open_sockets(wanted, sockets_);
  if (!opened) return refuse({opened.error().text()});
  for (const ListenerSocket& socket : wanted) {
    auto it = sockets_.find(socket.key);
    if (it != sockets_.end()) send(tag_listener, socket.key, it->second.get());
  }
  std::erase_if(sockets_, [&](const auto& entry) {
    return std::ranges::none_of(wanted, [&](const ListenerSocket& s) { return s.key == entry.first; });
  });
  bool asked_pam = config_->auth.users == config::AuthUsers::pam;
  auto more = static_cast<int>((*parsed)->deliver_agents);
  for (int i = static_cast<int>(config_->deliver_agents) + 1; i <= more; ++i) start_agent(i, deliver::AgentKind::deliveries);
  sources_ = std::move(sources);
  config_ = *parsed;
  bool asks_pam = config_->auth.users == config::AuthUsers::pam;
  if (asked_pam && !asks_pam) end_password_agents();
  if (!asked_pam) start_password_agents();
  send_secrets();
  send_configuration();
  return {};
}

}  // namespace mansio::daemon
