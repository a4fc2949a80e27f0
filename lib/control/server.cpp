#include "control/server.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "control/session.hpp"
#include "receive/receiver.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t client_limit = 100;

// Blocks for the user database: called on a thread.
Result<Caller> identify(const event::Stream& stream) {
  auto peer = stream.credentials();
  if (!peer) return std::unexpected(peer.error());
  Caller who;
  who.uid = peer->uid;
  passwd entry{};
  passwd* found = nullptr;
  char buffer[16384];
  if (::getpwuid_r(peer->uid, &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) who.user = found->pw_name;
  who.admin = peer->uid == 0 || peer->uid == ::getuid() || peer->gid == ::getgid();
  if (who.admin || who.user.empty()) return who;
  std::vector<gid_t> groups(256);
  int count = static_cast<int>(groups.size());
  if (::getgrouplist(who.user.c_str(), peer->gid, groups.data(), &count) < 0) return who;
  for (int i = 0; i < count; ++i) who.admin = who.admin || groups[static_cast<std::size_t>(i)] == ::getgid();
  return who;
}

}  // namespace

Server::Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger)
    : loop_(loop), scope_(scope), services_(loop, queue, logger) {
  queue.remote.use_tracing(&services_.tracing);
}

Result<> Server::listen(const std::string& path) {
  auto fd = event::listen_unix(path, 0666);
  if (!fd) return std::unexpected(fd.error());
  auto serve_one = [this](event::Stream stream) {
    if (clients_ < client_limit) scope_.spawn(serve(std::move(stream)));
  };
  auto listener = event::Listener::adopt(loop_, std::move(*fd), true, serve_one);
  if (!listener) return std::unexpected(listener.error());
  listener_.emplace(std::move(*listener));
  return {};
}

void Server::use_receiver(receive::Receiver& receiver) {
  services_.receiver = &receiver;
  receiver.use_tracing(&services_.tracing);
}

void Server::close() { listener_.reset(); }

event::Task<> Server::serve(event::Stream stream) {
  struct Count {
    explicit Count(std::size_t& n) : clients(n) { ++clients; }
    ~Count() { --clients; }
    std::size_t& clients;
  };
  Count count(clients_);
  auto look = [&] { return identify(stream); };
  auto who = co_await services_.threads.run(look);
  if (!who) co_return;
  Session session(services_, stream, std::move(*who));
  co_await session.run();
}

}  // namespace mansio::control
