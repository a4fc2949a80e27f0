// Remote: gives messages to the hosts of a site over SMTP or LMTP. A connection is kept a while for the next message to the
// same site (bounded in messages, in age and in idle time); hosts and their addresses are tried in turn, those that failed
// lately last. What to send when, and how many at once, is the queue's.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "deliver/site.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "log/event.hpp"
#include "smtp/client.hpp"
#include "spool/spool.hpp"

namespace mansio::deliver {

struct RemoteRecipient {
  RemoteRecipient(mail::Address a, std::string o, std::uint8_t n) : address(std::move(a)), orcpt(std::move(o)), notify(n) {}
  mail::Address address;
  std::string orcpt;
  std::uint8_t notify;
};

struct RemoteRequest {
  RemoteRequest() = default;
  std::shared_ptr<const config::Transport> transport;
  Site site;
  std::shared_ptr<const spool::Message> message;
  std::vector<RemoteRecipient> recipients;     // not empty
  std::string helo_name;                       // when the transport names none
};

struct RemoteOutcome {
  RemoteOutcome() = default;
  std::vector<Status> recipients;              // one each, in order
  std::vector<smtp::Stage> stages;
  std::vector<bool> ours;                      // decided here, from what the host offers: it has said nothing of it
  std::vector<bool> tried;                     // false: not part of this transaction (its limit was reached): ask again
  // For the back-off of the site: was any host of it there? `neither`: our own trouble, or nothing was tried.
  enum class Reach : std::uint8_t { reached, unreachable, neither };
  Reach reach = Reach::neither;
  Status why;                                  // of `unreachable`
  log::Host host;                              // that answered; empty: none did
  bool pipelining = false, chunking = false;
  bool dsn = false;                            // the host takes DSN requests over (RFC 3461 §5.2.1)
};

class Remote {
 public:
  Remote(event::Loop& loop, event::Scope& scope, SiteFinder& finder);
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  void limit(std::size_t connections) { limit_ = connections; }

  // One transaction. The request lives until it returns.
  event::Task<RemoteOutcome> deliver(const RemoteRequest* request);

  event::Task<> stop();                        // says goodbye on idle connections
  std::size_t connections() const noexcept { return open_; }

 private:
  struct Session;
  struct Try;
  using SessionPtr = std::unique_ptr<Session>;

  SessionPtr take_idle(const RemoteRequest& request);
  void keep(const RemoteRequest& request, SessionPtr session);
  event::Task<SessionPtr> connect(const RemoteRequest* request, Try* state);
  event::Task<SessionPtr> connect_host(const RemoteRequest* request, SiteHost host, Try* state);
  event::Task<SessionPtr> connect_to(const RemoteRequest* request, SiteHost host, event::Endpoint endpoint, Try* state);
  event::Task<bool> transact(const RemoteRequest* request, Session* session, RemoteOutcome* outcome);
  event::Task<> say_goodbye(SessionPtr session);
  event::Task<> sweep();
  void mark_bad(const std::string& endpoint);
  bool is_bad(const std::string& endpoint) const;

  event::Loop& loop_;
  event::Scope& scope_;
  SiteFinder& finder_;
  event::Threads reading_;
  event::Timer sweeper_;
  event::Trigger slot_;
  std::size_t limit_ = 500, open_ = 0;
  std::unordered_map<std::string, std::deque<SessionPtr>> idle_;      // by transport and site
  std::unordered_map<std::string, MonotonicTime> bad_;                // endpoints that failed, until when
  bool sweeping_ = false, stopping_ = false;
};

}  // namespace mansio::deliver
