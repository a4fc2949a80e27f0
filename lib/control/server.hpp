// The control socket: one JSON object a line asks, JSON objects a line answer (session.hpp has the commands). Anybody on
// the machine may connect; what they may do follows from their uid (SO_PEERCRED): root, the daemon's own user and group
// may do all, others see their own messages. A client that sends nonsense, too much or nothing is dropped (S-149).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event/listener.hpp"
#include "event/threads.hpp"
#include "queue/queue.hpp"

namespace mansio::control {

struct ReloadResult {
  std::size_t aliases = 0;
  std::vector<std::string> problems;     // "file:line: text"
};

// Who asks.
struct Caller {
  Caller() = default;
  std::string user;                      // "" when the user database doesn't know the uid
  unsigned uid = 0;
  bool admin = false;
  std::string name() const { return user.empty() ? "uid " + std::to_string(uid) : user; }
};

// What the commands work on.
struct Services {
  Services(event::Loop& loop, queue::Queue& q) : queue(q), threads(loop, "control", 1) {}
  queue::Queue& queue;
  event::Threads threads;                // the user database, content, sorting
  std::function<event::Task<ReloadResult>()> reload;
};

class Server {
 public:
  Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger);

  void on_reload_tables(std::function<event::Task<ReloadResult>()> reload) { services_.reload = std::move(reload); }
  Result<> listen(const std::string& path);
  void close();       // no new connections

 private:
  event::Task<> serve(event::Stream stream);

  event::Loop& loop_;
  event::Scope& scope_;
  Services services_;
  std::optional<event::Listener> listener_;
  std::size_t clients_ = 0;
};

}  // namespace mansio::control
