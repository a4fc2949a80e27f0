#include "parent.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "channel.hpp"
#include "service_manager.hpp"

namespace mansio::daemon {
namespace {

constexpr Duration secret_check{1000};       // a renewed certificate counts after two of these

}  // namespace

Parent::Parent(ParentOptions options, Sources sources, config::ConfigPtr config, ServiceUser user)
    : options_(std::move(options)), sources_(std::move(sources)), config_(std::move(config)), user_(std::move(user)) {}

int Parent::run() {
  title("parent");
  watch_signals();
  if (!prepare()) return 75;
  for (MailChild& child : children_) {
    if (!start_mail(child) && !child.drains) give_up(75);
    if (failed_) break;
  }
  while (!over()) wait_and_handle();
  return exit_status_;
}

bool Parent::prepare() {
  auto prepared = prepare_directories(*config_, user_);
  prepare_pickups(*config_, user_);
  if (prepared) prepared = open_sockets(wanted_sockets(*config_), sockets_);
  if (!prepared) {
    fmt::print(stderr, "mansiod: {}\n", prepared.error().text());
    return false;
  }
  int count = static_cast<int>(config_->mail_processes);
  for (int number = 0; number < count; ++number) children_.emplace_back(number);
  for (int number : shards_with_mail(config_->spool_directory, count)) {
    children_.emplace_back(number, true);
    notice(fmt::format("{}/{} is of a time with more mail processes: one without listeners delivers what is in it", config_->spool_directory, number));
  }
  return children_.size() == 1 || prepare_sharing();
}

// Limits that hold for all processes, and tickets that each of them opens.
bool Parent::prepare_sharing() {
  auto processes = static_cast<unsigned>(children_.back().number) + 1;
  auto file = SharedCounts::make(processes);
  auto counts = file ? SharedCounts::map(file->get(), 0, processes) : std::unexpected(file.error());
  if (!counts) {
    fmt::print(stderr, "mansiod: {}\n", counts.error().text());
    return false;
  }
  counts_file_ = std::move(*file);
  counts_ = std::move(*counts);
  turn_ticket_keys();
  return true;
}

void Parent::watch_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int number : {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD}) sigaddset(&wanted, number);
  ::sigprocmask(SIG_BLOCK, &wanted, &old_mask_);
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool Parent::over() const { return (stopping_ || failed_) && std::ranges::all_of(children_, &MailChild::gone); }

// How long nothing has to be done, in milliseconds; -1: for ever.
int Parent::patience() const {
  auto now = std::chrono::steady_clock::now();
  std::optional<Duration> least;
  auto at_most = [&](Duration left) { least = std::min(left, least.value_or(left)); };
  if (!secret_watch_.idle()) at_most(secret_check);
  if (ticket_turn_) at_most(std::chrono::ceil<Duration>(std::max(*ticket_turn_, now) - now));
  for (const MailChild& child : children_) {
    std::optional<MonotonicTime> when;
    if (!child.leaving.empty()) when = child.patience;
    else if (!child.alive()) when = child.due;
    if (when) at_most(std::chrono::ceil<Duration>(std::max(*when, now) - now));
    if (child.alive() && !child.lacking.empty()) at_most(std::chrono::ceil<Duration>(std::max(child.try_again, now) - now));
  }
  return least ? static_cast<int>(least->count()) : -1;
}

void Parent::wait_and_handle() {
  std::vector<pollfd> watched{{signals_.get(), POLLIN, 0}};
  std::vector<MailChild*> of;
  for (MailChild& child : children_) {
    if (!child.channel) continue;
    watched.push_back({child.channel.get(), POLLIN, 0});
    of.push_back(&child);
  }
  int ready = ::poll(watched.data(), watched.size(), patience());
  if (ready == 0) look_at_secrets();
  for (std::size_t i = 0; ready > 0 && i < of.size(); ++i) {
    if ((watched[i + 1].revents & (POLLIN | POLLHUP)) != 0) handle_packets(*of[i]);
  }
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) handle_signal(static_cast<int>(info.ssi_signo));
  start_what_is_due();
  turn_ticket_keys();
}

// ---- events

void Parent::handle_signal(int number) {
  switch (number) {
    case SIGCHLD: return reap();
    case SIGUSR1: return send_all(tag_reopen, "");
    case SIGHUP:
      send_all(tag_reopen, "");
      return (void)reload();
    default:
      // Asked twice: what is durable stays so.
      for (const MailChild& child : children_) {
        if (stopping_ && child.alive()) ::kill(child.pid, SIGKILL);
      }
      stop();
  }
}

void Parent::stop() {
  stopping_ = true;
  notify_service_manager("STOPPING=1");
  send_all(tag_stop, "");
}

// The start failed: whoever is there already ends.
void Parent::give_up(int exit_status) {
  if (!failed_) exit_status_ = exit_status;
  failed_ = true;
  send_all(tag_stop, "");
}

void Parent::handle_packets(MailChild& child) {
  std::string packet(65536, '\0');
  constexpr int at_once = 64;              // nobody keeps the others waiting
  for (int i = 0; i < at_once && child.channel; ++i) {
    ssize_t n = ::recv(child.channel.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (n == 0) child.channel.reset();       // its end is told by SIGCHLD
    if (n <= 0) return;
    handle_packet(child, packet[0], packet.substr(1, static_cast<std::size_t>(n) - 1));
  }
}

void Parent::handle_packet(MailChild& child, char tag, const std::string& text) {
  switch (tag) {
    case tag_ready:
      child.ready = true;
      if (child.number == 0) addresses_ = text;
      return look_if_ready();
    case tag_reloaded:
      child.configured = std::max(child.configured, parse_number(text).value_or(0));
      return look_if_reloaded();
    case tag_reload: return reload_for(child);
    case tag_refused:
      child.refused = text;
      return;
    case tag_share: return pass_on(child, text);
    case tag_failed:
      fmt::print(stderr, "mansiod: {}{}\n", children_.size() == 1 ? "" : name_of(child) + ": ", text);
      if (!ready_ && !child.drains) give_up(75);
      return;
    default: return;
  }
}

// Once all are: each of them, not only the first, would take a connection.
void Parent::look_if_ready() {
  bool all = std::ranges::all_of(children_, [](const MailChild& child) { return child.ready || child.drains; });
  if (all && !ready_ && !failed_) announce(addresses_);
}

void Parent::announce(const std::string& addresses) {
  if (options_.foreground) {
    fmt::print("ready {}\n", addresses);
    std::fflush(stdout);
  }
  if (options_.ready_pipe >= 0) {
    let_go_of_terminal();
    if (::write(options_.ready_pipe, "y", 1) == 1) ::close(options_.ready_pipe);
    options_.ready_pipe = -1;
  }
  ready_ = true;
  notify_service_manager(fmt::format("READY=1\nSTATUS=answering on {}", addresses));
}

// To the panic log, which one of the mail processes writes: now, or when there is one again.
void Parent::notice(const std::string& text) {
  fmt::print(stderr, "mansiod: {}\n", text);
  auto writes = [](const MailChild& child) { return child.alive() && child.channel; };
  auto writer = std::ranges::find_if(children_, writes);
  if (writer != children_.end()) send(*writer, tag_notice, text);
  else untold_.push_back(text);
}

}  // namespace mansio::daemon
