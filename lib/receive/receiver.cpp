#include "receive/receiver.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "receive/connection.hpp"
#include "smtp/reply.hpp"
#include "smtp/session.hpp"

namespace mansio::receive {

Receiver::Receiver(event::Loop& l, event::Scope& scope, spool::Spool& s, log::Logger& logger, config::ConfigPtr config,
                   std::shared_ptr<route::Router> router, Accepted a)
    : loop(l), spool(s), log(logger), blocking(l, "users", 1), accepted(std::move(a)), scope_(scope) {
  configure(std::move(config), std::move(router));
}

void Receiver::configure(config::ConfigPtr config, std::shared_ptr<route::Router> router) {
  config_ = std::move(config);
  router_ = std::move(router);
  options_.clear();
  auth::Throttle::Options delays;
  delays.first = config_->auth.delay;
  throttle.use(delays);
}

// Dovecot may say only later what it can: asked for each connection.
std::vector<std::string> Login::offered(const std::vector<std::string>& only) const {
  std::vector<std::string> out;
  if (!backend) return out;
  const std::vector<std::string>& named = only.empty() ? mechanisms : only;
  for (std::string_view name : backend->mechanisms()) {
    if (named.empty() && name == "EXTERNAL") continue;        // only where it is named
    if (named.empty() || std::ranges::find(named, name) != named.end()) out.emplace_back(name);
  }
  return out;
}

void Receiver::use_login(std::shared_ptr<const Login> login) {
  login_ = std::move(login);
  options_.clear();
}

void Receiver::serve(event::Stream stream, ServicePtr service) { scope_.spawn(run(std::move(stream), std::move(service))); }

// Not ok: it is sent away. `place` counts the connection.
Status Receiver::admit(const Service& service, const smtp::Client& client, ConnectionCounts::Place& place) {
  const config::Limits& limits = config_->limits;
  if (turn_away && !stopping_) {
    Status held = turn_away(service, client.local);
    if (!held.ok()) return held;
  }
  if (service.local) return Status();
  if (stopping_) return Status(421, 3, 2, "this server is stopping, try again later");
  const config::ListenerLimits& own = service.limits;
  ConnectionCounts::Limits most;
  most.all = limits.connections;
  most.listener = own.connections.value_or(limits.connections);
  most.client_at_listener = own.connections_per_client.value_or(limits.connections_per_client);
  most.client = std::max<std::uint64_t>(most.client_at_listener, limits.connections_per_client);
  auto refusal = ConnectionCounts::Refusal::server;
  if (connections_.size() < limits.connections) refusal = counts_.take(service.listener, client.peer.address, most, place);
  if (refusal == ConnectionCounts::Refusal::server) return Status(421, 7, 0, "too many connections, try again later");
  if (refusal == ConnectionCounts::Refusal::client) return Status(421, 7, 0, "too many connections from your address, try again later");
  return Status();
}

constexpr std::size_t away_at_once = 100;        // handshakes with clients that are only told to come back
constexpr Duration away_time{5000};

static void set_limits(const config::Config& config, const config::ListenerLimits& own, smtp::SessionOptions& options) {
  options.host_name = config.host_name;
  options.message_size = own.message_size.value_or(config.limits.message_size).bytes();
  options.recipients = own.recipients.value_or(config.limits.recipients);
  options.messages_per_connection = own.messages_per_connection.value_or(config.limits.messages_per_connection);
  options.session_size = own.session_size.value_or(config.limits.session_size).bytes();
  options.command_timeout = own.command_timeout.value_or(config.limits.command_timeout);
  options.data_timeout = own.data_timeout.value_or(config.limits.data_timeout);
  options.data_minimum_rate = config.limits.data_minimum_rate;
  options.errors = config.limits.errors;
  options.command_line = config.limits.command_line;
  options.chunks = config.limits.chunks;
  options.bare_newline = config.bare_newline == config::BareNewline::normalize ? smtp::BareNewline::normalize : smtp::BareNewline::reject;
}

// One for all connections of a listener, until the next reload or the next renewal of a certificate.
std::shared_ptr<const smtp::SessionOptions> Receiver::options_for(const ServicePtr& service) {
  std::vector<std::string> mechanisms;
  if (service->auth && login_) mechanisms = login_->offered(service->auth_mechanisms);
  auto& known = options_[service];
  if (known && known->mechanisms == mechanisms) return known;
  auto made = std::make_shared<smtp::SessionOptions>();
  set_limits(*config_, service->limits, *made);
  made->protocol = service->protocol;
  made->local = service->local;
  if (service->submission) made->mail_name = config_->mail_name;
  made->tls = service->tls;
  made->tls_server = service->tls_server;
  made->auth_required = service->auth_required;
  made->odmr = service->odmr && fetch != nullptr;
  bool for_mail = !service->local && !service->odmr && !service->submission && service->protocol == smtp::Protocol::smtp;
  made->etrn = for_mail && fetch != nullptr && !config_->domains.hold_for_etrn.empty();
  made->auth_in_clear = config_->auth.clear_text;
  made->auth_tries = config_->auth.tries;
  made->mechanisms = std::move(mechanisms);
  if (login_) made->decoy = login_->decoy;
  known = std::move(made);
  return known;
}

event::Task<> Receiver::run(event::Stream stream, ServicePtr service) {
  smtp::Client client;
  client.peer = stream.peer();
  client.local = stream.local();
  if (auto who = stream.credentials(); service->local && who) client.credentials = *who;
  ConnectionCounts::Place place;
  Status admitted = admit(*service, client, place);
  if (!admitted.ok()) {
    co_await send_away(std::move(stream), &client, service.get(), std::move(admitted));
    co_return;
  }
  Connection connection(*this, std::move(stream), std::move(client), service);
  connections_.insert(&connection);
  if (observers.session) observers.session(*service);
  if (tracing_ != nullptr && tracing_->wanted()) consider(connection);
  auto options = options_for(service);
  if (service->log_connections) log_begin(connection);
  co_await smtp::serve(connection.connection, connection.handler, *options, connection.conversation);
  if (service->log_connections) log_end(connection);
  connections_.erase(&connection);
  if (auto turn = connection.handler.take_turn()) {
    net::Connection turned = std::move(connection.connection);
    co_await fetch->give(std::move(turned), std::move(turn->user), std::move(turn->domains));
  }
}

event::Task<> Receiver::send_away(event::Stream stream, const smtp::Client* client, const Service* service, Status why) {
  log::ConnectionTrouble trouble;
  trouble.kind = log::ConnectionTrouble::Kind::refused;
  trouble.host.address = client->peer.address;
  trouble.host.port = client->peer.port;
  trouble.text = why.text();
  log.write(std::move(trouble));
  std::string reply = smtp::format_reply(why);
  auto deadline = event::Deadline::in(Duration(100));
  if (service->tls != smtp::TlsUse::implicit) {
    co_await stream.write(reply, deadline);
    co_return;
  }
  // Where TLS comes first nothing is said in clear.
  bool worth_it = service->tls_server != nullptr && why.enhanced().subject == 3 && away_ < away_at_once;
  if (!worth_it) co_return;
  ++away_;
  net::Connection connection(std::move(stream));
  auto patience = event::Deadline::in(away_time);
  auto secured = co_await connection.start_tls(service->tls_server, patience);
  if (secured) co_await connection.write(reply, patience);
  --away_;
}

void Receiver::stop_when_idle() {
  stopping_ = true;
  auto now = connections_;     // interrupting may end one, which takes it out of the set
  for (Connection* each : now) {
    if (connections_.contains(each)) each->connection.finish();
  }
}

void Receiver::stop_now() {
  stopping_ = true;
  auto now = connections_;
  for (Connection* each : now) {
    if (connections_.contains(each)) each->connection.interrupt();
  }
}

}  // namespace mansio::receive
