// Receiver: everything that takes mail on a mail process shares it: the configuration of the moment, the spool, the
// router, the log, and the count of connections. One Session (session_handler.hpp) each connection.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "auth/backend.hpp"
#include "auth/throttle.hpp"
#include "config/clients.hpp"
#include "config/config.hpp"
#include "config/senders_file.hpp"
#include "event/scope.hpp"
#include "event/threads.hpp"
#include "log/logger.hpp"
#include "policy/quota.hpp"
#include "receive/connection_counts.hpp"
#include "receive/fetch.hpp"
#include "route/router.hpp"
#include "smtp/conversation.hpp"
#include "smtp/handler.hpp"
#include "smtp/session.hpp"
#include "smtp/tracing.hpp"
#include "spool/spool.hpp"

namespace mansio::receive {

// Called with each message once it is durable.
using Accepted = std::function<void(std::shared_ptr<spool::Message>)>;

// How a listener's connections are spoken to. Immutable: a renewed certificate makes a new one.
struct Service {
  explicit Service(smtp::Protocol p) : protocol(p) {}
  smtp::Protocol protocol;
  std::string address;           // that the configuration names: "*", "unix:/path"; "" for submit.sock
  std::string listener;          // route::key_of it; "" for submit.sock
  config::ListenerLimits limits; // all are given, but for submit.sock
  bool log_connections = false, w3c = false;
  bool local = false;            // submit.sock: users of this machine, known by their uid
  bool submission = false;       // mail of users, who log in first (RFC 6409)
  bool auth = false;             // AUTH is offered
  bool odmr = false;             // mail is given, not taken (RFC 2645)
  bool auth_required = false;    // before MAIL
  std::vector<std::string> auth_mechanisms;     // of those that there are; empty: as Login::mechanisms says
  smtp::TlsUse tls = smtp::TlsUse::none;
  std::shared_ptr<const net::TlsServer> tls_server;
};
using ServicePtr = std::shared_ptr<const Service>;

// Who may log in, and what that allows.
struct Login {
  explicit Login(std::shared_ptr<auth::Backend> b) : backend(std::move(b)) {}
  std::shared_ptr<auth::Backend> backend;   // null: nobody logs in
  std::vector<std::string> mechanisms;      // allowed, upper case; empty: all that the back end can
  const sasl::Decoy* decoy = nullptr;       // for SCRAM; lives as long as the process
  std::shared_ptr<const config::SendersFile> senders;       // of Senders::table

  // `only`: a listener's own list, in the place of `mechanisms` unless it is empty.
  std::vector<std::string> offered(const std::vector<std::string>& only) const;
};

// Can mail for this address ever leave? A permanent status says why not; anything else means yes, or not known now.
using Sendable = std::function<event::Task<Status>(mail::Address address, std::string sender)>;

// What a client's address is called (policy/client_name.hpp).
using NameOfClient = std::function<event::Task<config::ClientName>(std::string address)>;

class Receiver {
 public:
  Receiver(event::Loop& loop, event::Scope& scope, spool::Spool& spool, log::Logger& logger, config::ConfigPtr config,
           std::shared_ptr<route::Router> router, Accepted accepted);

  // A reload: sessions and transactions under way keep what they began with.
  void configure(config::ConfigPtr config, std::shared_ptr<route::Router> router);

  // Takes a connection over: limits, then the SMTP or LMTP session, then the end. Spawns into the scope.
  void serve(event::Stream stream, ServicePtr service);
  // Sessions under way keep what they began with. Null: nobody can log in.
  void use_login(std::shared_ptr<const Login> login);
  std::shared_ptr<const Login> login() const { return login_; }

  // With several mail processes: limits of connections hold for all of them.
  void share(std::shared_ptr<SharedCounts> counts, bool serves) { counts_.share(std::move(counts), serves); }
  bool crowded() const { return counts_.crowded(); }

  // At stop: idle sessions get 421 at once; those in a transaction until stop_now().
  void stop_when_idle();
  void stop_now();
  std::size_t connections() const noexcept { return connections_.size(); }

  // For admins: what goes on, in order of arrival, and an end to some of it (421 4.3.2; what is under way is given up).
  // `wanted` is asked for each.
  std::vector<smtp::ConversationFacts> sessions() const;
  std::vector<smtp::ConversationFacts> end_sessions(const std::function<bool(const smtp::ConversationFacts&)>& wanted);
  // At a listener: where it listens, or the path of its socket ("unix:/path").
  std::size_t sessions_at(const event::Endpoint& listener, std::string_view unix_path) const;
  // Sessions from now on, and those that go on, are known to it. It outlives them.
  void use_tracing(smtp::Tracing* tracing) { tracing_ = tracing; }
  void show_to_tracing();            // a follower has come
  // Asked for each new connection: a status that isn't ok sends it away.
  std::function<Status(const Service& service, const event::Endpoint& local)> turn_away;
  // Told of what goes on, by whoever counts it; each may be empty.
  struct Observers {
    std::function<void(const Service& service)> session;                    // begins
    std::function<void()> login;                                            // went well
    std::function<void(std::chrono::nanoseconds took)> taken_over;          // a message is ours, so long after its end
  };
  Observers observers;
  // What the other mail processes have to know too; each may be empty.
  struct Others {
    std::function<void(std::string_view client, std::string_view name)> login_failed;
    std::function<void(const std::string& login, std::uint64_t recipients)> sent;      // a message
  };
  Others others;

  // For the handlers.
  event::Loop& loop;
  spool::Spool& spool;
  log::Logger& log;
  event::Threads blocking;       // for the user database: one thread
  Accepted accepted;
  Sendable sendable;             // for submissions; may be empty
  NameOfClient name_of_client;   // empty: whatever hangs on a name is unsure
  auth::Throttle throttle;
  policy::Quota quota;
  Fetch* fetch = nullptr;        // null: no ETRN and no ATRN
  FetchPace fetch_pace;
  config::ConfigPtr config() const { return config_; }
  std::shared_ptr<route::Router> router() const { return router_; }

 private:
  struct Connection;
  event::Task<> run(event::Stream stream, ServicePtr service);
  Status admit(const Service& service, const smtp::Client& client, ConnectionCounts::Place& place);
  event::Task<> send_away(event::Stream stream, const smtp::Client* client, const Service* service, Status why);
  void consider(Connection& connection);
  void log_begin(const Connection& connection);
  void log_end(const Connection& connection);
  smtp::ConversationFacts facts_of(const Connection& connection) const;
  std::shared_ptr<const smtp::SessionOptions> options_for(const ServicePtr& service);

  event::Scope& scope_;
  config::ConfigPtr config_;
  std::shared_ptr<route::Router> router_;
  std::unordered_set<Connection*> connections_;
  ConnectionCounts counts_;
  std::shared_ptr<const Login> login_;
  std::map<ServicePtr, std::shared_ptr<const smtp::SessionOptions>> options_;    // until the next change
  smtp::Tracing* tracing_ = nullptr;
  std::size_t away_ = 0;
  std::uint64_t numbers_ = 0;                    // of sessions so far
  bool stopping_ = false;
};

}  // namespace mansio::receive
