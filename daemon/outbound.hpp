// What the mail process needs to reach other hosts: the resolver with its settings, the search for sites, the connections.
// Watches /etc/resolv.conf (when the configuration names no servers) and the machine's addresses.
#pragma once
#include <string>

#include "config/config.hpp"
#include "deliver/remote.hpp"
#include "dns/resolver.hpp"
#include "event/interfaces.hpp"
#include "receive/receiver.hpp"

namespace mansio::daemon {

// What is read of the machine. Blocks: for a thread, or before anything is served.
struct Machine {
  Machine() = default;
  static Machine look();
  Result<std::string> resolv_conf;             // its text
  std::vector<std::string> interfaces;         // numeric addresses
};

class Outbound {
 public:
  // `secrets` and `log` outlive it.
  Outbound(event::Loop& loop, event::Scope& scope, const config::Config& config, const Machine& machine, std::vector<event::Endpoint> listeners,
           const deliver::Secrets& secrets, log::Logger& log);

  deliver::SiteFinder& finder() noexcept { return finder_; }
  deliver::Remote& remote() noexcept { return remote_; }
  dns::Resolver& resolver() noexcept { return resolver_; }

  // After a reload, or when listeners have changed.
  void configure(const config::Config& config, const Machine& machine, std::vector<event::Endpoint> listeners);
  // What the machine says now; called now and then.
  void refresh(const config::Config& config, const Machine& machine);
  // RFC 6409: refuses what never could leave, for its domain does not exist or takes no mail. `router`: of the moment.
  receive::Sendable sendable(std::function<std::shared_ptr<route::Router>()> router);
  // What is wrong with the resolver's settings, or "".
  const std::string& problem() const noexcept { return problem_; }

 private:
  event::Task<Status> can_be_sent(std::shared_ptr<route::Router> router, mail::Address address, std::string sender);
  dns::ResolverOptions resolver_options(const config::Config& config, const Machine& machine);
  deliver::OwnAddresses own_addresses(const config::Config& config, const Machine& machine) const;

  std::vector<event::Endpoint> listeners_;
  std::string problem_, resolv_conf_;
  dns::Resolver resolver_;
  deliver::ResolverQuestions questions_;
  deliver::SiteFinder finder_;
  deliver::Remote remote_;
};

using event::interface_addresses;

}  // namespace mansio::daemon
