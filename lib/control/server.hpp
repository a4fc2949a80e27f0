// The control socket: one JSON object a line asks, JSON objects a line answer (session.hpp has the commands). Anybody on
// the machine may connect; what they may do follows from their uid (SO_PEERCRED): root, the daemon's own user and group and
// those of control.admins may do all, those of control.readers see all, others see their own messages. A client that sends
// nonsense, too much or nothing is dropped (S-149). With several mail processes the first one serves it (peers.hpp).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/facts.hpp"
#include "control/pause_keeper.hpp"
#include "control/peers.hpp"
#include "control/seats.hpp"
#include "event/listener.hpp"
#include "event/threads.hpp"
#include "queue/queue.hpp"
#include "smtp/tracing.hpp"

namespace mansio::receive {
class Receiver;
}
namespace mansio::metrics {
class Metrics;
class PageSum;
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
  bool admin = false;                    // may do all
  bool reader = false;                   // may see all
  std::string name() const { return user.empty() ? "uid " + std::to_string(uid) : user; }
};

// What the commands work on.
struct Services {
  Services(event::Loop& loop, queue::Queue& q, log::Logger& l);
  ~Services();
  queue::Queue& queue;
  log::Logger& log;
  receive::Receiver* receiver = nullptr; // null: nobody takes mail in, as in tests
  event::Threads threads;                // the user database, content, sorting
  std::function<event::Task<ReloadResult>()> reload, reload_tables;
  std::function<Facts()> facts;          // may be empty
  const metrics::Metrics* metrics = nullptr;     // null: nobody counts, as in tests
  std::function<std::string()> metrics_page;
  smtp::Tracing tracing;                 // who follows which conversations
  // In the first of several mail processes; else null.
  std::unique_ptr<Peers> peers;
  std::unique_ptr<PauseKeeper> keeper;
  std::unique_ptr<metrics::PageSum> page_sum;
  std::uint64_t pauses_stamp = 0;        // in the others: of the newest list that was taken
};

// The metrics of all, added up. Both outlive it.
event::Task<std::string> metrics_of_all(Peers* peers, metrics::PageSum* sum);

class Server {
 public:
  Server(event::Loop& loop, event::Scope& scope, queue::Queue& queue, log::Logger& logger);
  ~Server();

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
  // Instead, in the others of several mail processes: for the first one alone, which asks in the name of others.
  Result<> listen_to_first(const std::string& directory, unsigned number);
  // In the first of several: it answers for all. After use_…(), and when the queue knows its pauses. Of the numbers below
  // `count` those from `lasting` on are processes that end when their shard is empty.
  void answer_for_all(unsigned lasting, unsigned count, const std::string& directory);
  // What scrapers get: of all processes.
  event::Task<std::string> metrics_page();
  smtp::Tracing& tracing() noexcept { return services_.tracing; }
  void close();       // no new connections

 private:
  void admit(event::Stream stream);
  void admit_first(event::Stream stream);
  event::Task<> serve_first(event::Stream stream);
  Result<event::Stream> ask_self();
  event::Task<> serve(event::Stream stream, unsigned uid, bool privileged);

  event::Loop& loop_;
  event::Scope& scope_;
  Services services_;
  std::optional<event::Listener> listener_;
  Seats seats_;
};

}  // namespace mansio::control
