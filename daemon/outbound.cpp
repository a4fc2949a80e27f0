#include "outbound.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::daemon {
namespace {
constexpr const char* resolv_conf_path = "/etc/resolv.conf";
}

Machine Machine::look() {
  Machine out;
  out.resolv_conf = read_file(resolv_conf_path, 64 << 10);
  out.interfaces = interface_addresses();
  return out;
}

Outbound::Outbound(event::Loop& loop, event::Scope& scope, const config::Config& config, const Machine& machine,
                   std::vector<event::Endpoint> listeners, const deliver::Secrets& secrets, log::Logger& log)
    : listeners_(std::move(listeners)), resolver_(loop, scope, resolver_options(config, machine)), questions_(resolver_),
      finder_(questions_, own_addresses(config, machine)), remote_(loop, scope, finder_, &secrets, &log) {}

dns::ResolverOptions Outbound::resolver_options(const config::Config& config, const Machine& machine) {
  dns::ResolverOptions options;
  problem_.clear();
  if (config.dns.servers.empty()) {
    const auto& text = machine.resolv_conf;
    resolv_conf_ = text ? *text : std::string();
    options = dns::parse_resolv_conf(resolv_conf_);
    if (!text) problem_ = text.error().text() + ": no name server is known; set dns.servers or write the file";
    else if (options.servers.empty()) problem_ = std::string(resolv_conf_path) + " names no server: set dns.servers, or add a nameserver line";
  }
  for (const auto& server : config.dns.servers) {
    if (auto endpoint = dns::parse_server(server)) options.servers.push_back(*endpoint);
  }
  options.timeout = config.dns.timeout;
  options.attempts = config.dns.attempts;
  return options;
}

deliver::OwnAddresses Outbound::own_addresses(const config::Config& config, const Machine& machine) const {
  deliver::OwnAddresses own;
  own.names.push_back(to_lower(config.host_name));
  own.listeners = listeners_;
  own.interfaces = machine.interfaces;
  return own;
}

receive::Sendable Outbound::sendable(std::function<std::shared_ptr<route::Router>()> router) {
  return [this, router](mail::Address address, std::string sender) { return can_be_sent(router(), std::move(address), std::move(sender)); };
}

event::Task<Status> Outbound::can_be_sent(std::shared_ptr<route::Router> router, mail::Address address, std::string sender) {
  auto resolution = co_await router->resolve(std::move(address), std::move(sender));
  for (const route::Destination& destination : resolution.destinations) {
    if (destination.kind != route::DestinationKind::remote) continue;
    auto found = co_await finder_.find(destination.transport, destination.address.domain());
    if (found.status.permanent()) co_return found.status;
  }
  co_return Status();
}

void Outbound::configure(const config::Config& config, const Machine& machine, std::vector<event::Endpoint> listeners) {
  listeners_ = std::move(listeners);
  resolver_.configure(resolver_options(config, machine));
  finder_.configure(own_addresses(config, machine));
}

void Outbound::refresh(const config::Config& config, const Machine& machine) {
  finder_.configure(own_addresses(config, machine));
  if (!config.dns.servers.empty() || !machine.resolv_conf || *machine.resolv_conf == resolv_conf_) return;
  resolver_.configure(resolver_options(config, machine));
}

}  // namespace mansio::daemon
