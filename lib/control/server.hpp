// The control socket: one JSON object a line asks, JSON objects a line answer (session.hpp has the commands). Anybody on
// the machine may connect; what they may do follows from their uid (SO_PEERCRED): root, the daemon's own user and group
// may do all, others see their own messages. A client that sends nonsense, too much or nothing is dropped (S-149).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "control/facts.hpp"
#include "event/listener.hpp"
#include "event/threads.hpp"
#include "queue/queue.hpp"
#include "smtp/tracing.hpp"

namespace mansio::receive {
class Receiver;
}
namespace mansio::metrics {
class Metrics;
}

namespace mansio::control {

struct ReloadResult {
  std::size_t aliases = 0;
  std::vector<std::string> problems;     // "file:line: text"; the rest is in use
  std::vector<std::string> refusals;     // why nothing has changed
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
  Services(event::Loop& loop, queue::Queue& q, log::Logger& l) : queue(q), log(l), threads(loop, "control", 1) {}
  queue::Queue& queue;
  log::Logger& log;
  receive::Receiver* receiver = nullptr; // null: nobody takes mail in, as in tests
  event::Threads threads;                // the user database, content, sorting
  std::function<event::Task<ReloadResult>()> reload, reload_tables;
  std::function<Facts()> facts;          // may be empty
  const metrics::Metrics* metrics = nullptr;     // null: nobody counts, as in tests
  std::function<std::string()> metrics_page;
  smtp::Tracing tracing;                 // who follows which conversations
};

class Server {
 public:
  Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger);

  using Reload = std::function<event::Task<ReloadResult>()>;
  // Of everything, and of aliases, users and lists alone. Before listen().
  void on_reload(Reload all, Reload tables) {
    services_.reload = std::move(all);
    services_.reload_tables = std::move(tables);
  }
  void use_receiver(receive::Receiver& receiver);
  // `page` is what scrapers get.
  void use_metrics(const metrics::Metrics& metrics, std::function<std::string()> page) {
    services_.metrics = &metrics;
    services_.metrics_page = std::move(page);
  }
  void use_facts(std::function<Facts()> facts) { services_.facts = std::move(facts); }
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
