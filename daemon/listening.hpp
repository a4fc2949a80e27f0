// The mail process' listeners: the sockets that the parent handed over, and how each is spoken to.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/facts.hpp"
#include "event/listener.hpp"
#include "listeners.hpp"
#include "log/logger.hpp"
#include "services.hpp"

namespace mansio::daemon {

class Listening {
 public:
  // `shared`: other mail processes take connections of the same sockets.
  Listening(event::Loop& loop, log::Logger& log, receive::Receiver& receiver, std::shared_ptr<net::TlsTickets> tickets, bool shared)
      : loop_(loop), log_(log), receiver_(receiver), tickets_(std::move(tickets)), shared_(shared) {}

  // Connections that come from now on are spoken to this way; what is wrong, and days that certificates have left, are
  // told in the log.
  void use(MadeServices made);
  const ServiceMap& services() const noexcept { return services_; }
  const std::shared_ptr<net::TlsTickets>& tickets() const noexcept { return tickets_; }
  // Opens those of `handed` that the configuration wants and that have a service, closes those that it no longer wants.
  void open(const config::Config& config, std::map<std::string, UniqueFd> handed);
  void close() { listeners_.clear(); }

  std::string addresses() const;                   // "127.0.0.1:25 [::1]:25 unix:/path"
  std::vector<event::Endpoint> endpoints() const;  // where we answer ourselves: no MX may lead there; "*" for all addresses
  std::vector<control::Facts::Listener> describe(const config::Config& config) const;      // facts.cpp
  const std::vector<net::TlsServer::Certificate>& certificates() const noexcept { return certificates_; }
  // Once a day: which certificates are about to expire.
  void watch_expiry(Time now);

 private:
  void tell_expiry(Time now, bool all);

  event::Loop& loop_;
  log::Logger& log_;
  receive::Receiver& receiver_;
  std::map<std::string, event::Listener> listeners_;         // by ListenerSocket::key
  std::map<std::string, std::string> settings_;    // key → setting
  ServiceMap services_;
  std::vector<net::TlsServer::Certificate> certificates_;
  std::shared_ptr<net::TlsTickets> tickets_;
  bool shared_;
  Time told_{};
};

}  // namespace mansio::daemon
