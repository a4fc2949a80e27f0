// Remote: gives messages to the hosts of a site over SMTP or LMTP. A connection is kept a while for the next message to the
// same site (bounded in messages, in age and in idle time), the same demand for TLS and the same log-in; hosts and their
// addresses are tried in turn, those that failed lately last. What to send when, and how many at once, is the queue's.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "deliver/client_tls.hpp"
#include "deliver/logins.hpp"
#include "deliver/seats.hpp"
#include "deliver/secrets.hpp"
#include "deliver/site.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "log/logger.hpp"
#include "smtp/client.hpp"
#include "smtp/tracing.hpp"
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
  TlsDemand tls;                               // Remote::demand() of each of the recipients' domains
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
  std::optional<log::Tls> tls;                 // of the connection
  std::string auth;                            // "PLAIN:user"; "" when not logged in
  bool pipelining = false, chunking = false;
  bool dsn = false;                            // the host takes DSN requests over (RFC 3461 §5.2.1)
};

class Turned;

class Remote {
 public:
  // `secrets` and `log` outlive it, and may be null.
  Remote(event::Loop& loop, event::Scope& scope, SiteFinder& finder, const Secrets* secrets = nullptr, log::Logger* log = nullptr);
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  void limit(std::size_t connections) { limit_ = connections; }
  // With several mail processes: this limit, and each site's, hold for all of them.
  void share(std::shared_ptr<SharedCounts> counts) { seats_.share(std::move(counts)); }
  // Of credentials that name a command. `agents` outlives this.
  void run_token_commands_in(AgentPool& agents, CommandUser user) { tokens_.run_commands_in(agents, std::move(user)); }

  // What TLS a recipient's domain wants. Recipients with different demands don't share a transaction.
  TlsDemand demand(const config::ConfigPtr& config, const config::Transport& transport, const mail::Domain& domain) {
    return policies_.demand(config, transport, domain);
  }

  // One transaction. The request lives until it returns.
  event::Task<RemoteOutcome> deliver(const RemoteRequest* request);

  // turned.cpp: a connection that came in, on which mail is fetched. `turn` takes the other side's greeting; an error means that
  // nothing can be sent there.
  event::Task<Result<std::unique_ptr<Turned>>> turn(net::Connection connection, std::string helo_name, std::string user);
  event::Task<RemoteOutcome> deliver_over(Turned* turned, const RemoteRequest* request);
  event::Task<> end_turn(std::unique_ptr<Turned> turned);      // says QUIT

  event::Task<> stop();                        // says goodbye on idle connections
  std::size_t connections() const noexcept { return open_; }
  // As whom a host is spoken to; null: nobody logs in. The error names the file of credentials and what is wrong with it.
  Result<LoginPtr> find_login(const config::Transport& transport, const SiteHost& host, const std::optional<mail::Address>& sender) {
    return logins_.find(transport, Logins::host_key(transport, host), sender);
  }

  // For admins, as those of receive::Receiver: what is sent by a conversation that ends is tried again later.
  std::vector<smtp::ConversationFacts> sessions() const;
  std::vector<smtp::ConversationFacts> end_sessions(const std::function<bool(const smtp::ConversationFacts&)>& wanted);
  void use_tracing(smtp::Tracing* tracing) { tracing_ = tracing; }
  void show_to_tracing();

 private:
  friend class Turned;
  struct Session;
  struct Try;
  struct Approach;
  using SessionPtr = std::unique_ptr<Session>;

  SessionPtr take_idle(const RemoteRequest& request);
  bool fits(const Session& session, const RemoteRequest& request);
  void keep(const RemoteRequest& request, SessionPtr session);
  SessionPtr take_out(const Session& session);
  void tell_failure(const RemoteRequest& request, const Approach& approach, std::string_view why);
  void consider(Session& session, const RemoteRequest* request);
  smtp::ConversationFacts facts_of(const Session& session) const;
  event::Task<SessionPtr> connect(const RemoteRequest* request, Try* state);
  event::Task<SessionPtr> connect_host(const RemoteRequest* request, SiteHost host, Try* state);
  event::Task<SessionPtr> connect_to(const RemoteRequest* request, SiteHost host, event::Endpoint endpoint, Try* state);
  event::Task<> make_room();
  event::Task<bool> take_seat(const RemoteRequest* request, Seats::Seat* seat);
  bool give_up_idle(const std::string* site);
  event::Task<Result<event::Stream>> open_stream(const RemoteRequest* request, const Approach* approach);
  event::Task<SessionPtr> open(const RemoteRequest* request, Approach* approach, Try* state);
  Result<> prepare_tls(const RemoteRequest& request, Approach& approach);
  event::Task<Status> prepare_login(const RemoteRequest* request, Approach* approach);
  event::Task<> look_again(const RemoteRequest* request, const Session* session, Status why, Approach* approach);
  void put_off(const RemoteRequest& request, const Session& session, Status why, Try& state);
  void tell_once(const std::string& text);
  event::Task<bool> transact(const RemoteRequest* request, Session* session, RemoteOutcome* outcome);
  event::Task<> say_goodbye(SessionPtr session);
  event::Task<> sweep();
  void mark_bad(const std::string& endpoint);
  bool is_bad(const std::string& endpoint) const;

  event::Loop& loop_;
  event::Scope& scope_;
  SiteFinder& finder_;
  log::Logger* log_;
  event::Threads reading_;
  Tokens tokens_;
  Logins logins_;
  TlsPolicies policies_;
  ClientTlsContexts contexts_;
  ClearAddresses clear_;
  Seats seats_;
  event::Timer sweeper_;
  event::Trigger slot_;
  std::size_t limit_ = 500, open_ = 0;
  std::unordered_map<std::string, std::deque<SessionPtr>> idle_;      // by transport, site and demand
  std::unordered_map<std::string, MonotonicTime> bad_;                // endpoints that failed, until when
  std::set<std::string> told_;                                        // what is in the panic log already
  std::set<Session*> sessions_;                                       // all that live
  smtp::Tracing* tracing_ = nullptr;
  std::uint64_t numbers_ = 0;                                         // of sessions so far
  bool sweeping_ = false, stopping_ = false;
};

}  // namespace mansio::deliver
