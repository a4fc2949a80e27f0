#include "control/server.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.hpp"
#include "control/session.hpp"
#include "metrics/page_sum.hpp"
#include "receive/receiver.hpp"

namespace mansio::control {
namespace {

// Of the process that asks, and of its user.
struct Groups {
  explicit Groups(const Caller& who, gid_t own) : all(256) {
    int count = static_cast<int>(all.size());
    if (who.user.empty() || ::getgrouplist(who.user.c_str(), own, all.data(), &count) < 0) count = 0;
    all.resize(static_cast<std::size_t>(count));
    all.push_back(own);
  }
  bool has(gid_t gid) const { return std::ranges::find(all, gid) != all.end(); }
  // By its name; one that there is not has nobody.
  bool has(const std::string& name) const {
    group entry{};
    group* found = nullptr;
    std::vector<char> buffer(65536);
    return ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr && has(found->gr_gid);
  }
  std::vector<gid_t> all;
};

// "user" and "@group".
bool names(const std::vector<std::string>& list, const Caller& who, const Groups& groups) {
  return std::ranges::any_of(list, [&](const std::string& name) {
    return name.starts_with('@') ? groups.has(name.substr(1)) : !who.user.empty() && name == who.user;
  });
}

bool is_master(unsigned uid) { return uid == 0 || uid == ::getuid(); }

// Blocks for the user database: called on a thread.
Result<Caller> identify(const event::Stream& stream, const config::Config& config) {
  auto peer = stream.credentials();
  if (!peer) return std::unexpected(peer.error());
  Caller who;
  who.uid = peer->uid;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  if (::getpwuid_r(peer->uid, &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) who.user = found->pw_name;
  who.admin = is_master(peer->uid);
  if (!who.admin) {
    Groups groups(who, peer->gid);
    who.admin = groups.has(::getgid()) || names(config.control_admins, who, groups);
    who.reader = !who.admin && names(config.control_readers, who, groups);
  }
  who.reader = who.reader || who.admin;
  return who;
}

}  // namespace

Services::Services(event::Loop& loop, queue::Queue& q, log::Logger& l) : queue(q), log(l), threads(loop, "control", 1) {}
Services::~Services() = default;

Server::Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger)
    : loop_(loop), scope_(scope), services_(loop, queue, logger) {
  queue.remote.use_tracing(&services_.tracing);
}

Result<> Server::listen(const std::string& path) {
  auto fd = event::listen_unix(path, 0666);
  if (!fd) return std::unexpected(fd.error());
  auto serve_one = [this](event::Stream stream) { admit(std::move(stream)); };
  auto listener = event::Listener::adopt(loop_, std::move(*fd), true, serve_one);
  if (!listener) return std::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  return {};
}

void Server::use_receiver(receive::Receiver& receiver) {
  services_.receiver = &receiver;
  receiver.use_tracing(&services_.tracing);
}

Server::~Server() = default;

void Server::close() {
  listener_.reset();
  if (services_.keeper) services_.keeper->stop();
}

// ---- several mail processes

Result<> Server::listen_to_first(const std::string& directory, unsigned number) {
  auto fd = event::listen_unix(Peers::path(directory, number), 0600);
  if (!fd) return std::unexpected(fd.error());
  auto serve_one = [this](event::Stream stream) { admit_first(std::move(stream)); };
  auto listener = event::Listener::adopt(loop_, std::move(*fd), true, serve_one);
  if (!listener) return std::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  return {};
}

// It is of our own user, as its socket lets nobody else in. How many may ask at once it has settled with those who do.
void Server::admit_first(event::Stream stream) {
  auto peer = stream.credentials();
  if (peer && is_master(peer->uid)) scope_.spawn(serve_first(std::move(stream)));
}

event::Task<> Server::serve_first(event::Stream stream) {
  Caller first;
  first.uid = ::getuid();
  first.admin = first.reader = true;
  Session session(services_, stream, std::move(first), true);
  co_await session.run();
}

Result<event::Stream> Server::ask_self() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return std::unexpected(Error::from_errno(errno, "socketpair"));
  UniqueFd theirs(ends[0]), ours(ends[1]);
  auto serving = event::Stream::adopt(loop_, std::move(theirs), true);
  if (!serving) return std::unexpected(serving.error());
  scope_.spawn(serve_first(std::move(*serving)));
  return event::Stream::adopt(loop_, std::move(ours), true);
}

void Server::answer_for_all(unsigned lasting, unsigned count, const std::string& directory) {
  constexpr unsigned first = 0;
  services_.page_sum = std::make_unique<metrics::PageSum>();
  services_.peers = std::make_unique<Peers>(loop_, first, count, directory, [this] { return ask_self(); });
  services_.peers->lasting = lasting;
  services_.keeper = std::make_unique<PauseKeeper>(*services_.peers, services_.queue, scope_);
}

event::Task<std::string> Server::metrics_page() {
  if (!services_.peers) co_return services_.metrics_page();
  std::string out = co_await metrics_of_all(services_.peers.get(), services_.page_sum.get());
  co_return out;
}

// ---- who asks

// Who finds no seat is closed without a word.
void Server::admit(event::Stream stream) {
  auto peer = stream.credentials();
  if (!peer) return;
  bool master = is_master(peer->uid);
  if (seats_.has_room(peer->uid, master)) scope_.spawn(serve(std::move(stream), peer->uid, master));
}

event::Task<> Server::serve(event::Stream stream, unsigned uid, bool privileged) {
  Seats::Seat seat(seats_, uid, privileged);
  config::ConfigPtr config = services_.queue.config();
  auto look = [&] { return identify(stream, *config); };
  auto who = co_await services_.threads.run(look);
  if (!who || !seat.settle(who->reader)) co_return;
  Session session(services_, stream, std::move(*who));
  co_await session.run();
}

}  // namespace mansio::control
