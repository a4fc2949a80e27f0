// The control socket: one JSON object a line asks, JSON objects a line answer. Anybody on the machine may connect; what
// they may see follows from their uid (SO_PEERCRED): root, the daemon's own user and group see the whole queue, others
// their own messages. A client that sends nonsense, too much or nothing is dropped (S-149).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event/listener.hpp"
#include "queue/queue.hpp"

namespace mansio::control {

struct ReloadResult {
  std::size_t aliases = 0;
  std::vector<std::string> problems;     // "file:line: text"
};

class Server {
 public:
  Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger);

  void on_reload_tables(std::function<event::Task<ReloadResult>()> reload) { reload_ = std::move(reload); }
  Result<> listen(const std::string& path);
  void close();       // no new connections

 private:
  struct Who {
    std::string user;
    bool sees_all = false;
  };
  struct Session;
  event::Task<> serve(event::Stream stream);
  event::Task<> answer(event::Stream* stream, std::string line, Who who);
  event::Task<> list(event::Stream* stream, Who who);
  event::Task<std::string> describe_route(std::string address);
  Result<Who> identify(const event::Stream& stream) const;

  event::Loop& loop_;
  event::Scope& scope_;
  queue::Queue& queue_;
  log::Logger& log_;
  std::function<event::Task<ReloadResult>()> reload_;
  std::optional<event::Listener> listener_;
  std::size_t clients_ = 0;
};

}  // namespace mansio::control
