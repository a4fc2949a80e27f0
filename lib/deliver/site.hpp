// Where a domain's mail goes: the site, that is the set of hosts that take it (design: a destination is the MX site, not
// the domain). RFC 5321 §5.1, RFC 7505, RFC 3974 for both address families. Two domains with the same hosts in the same
// order are one site: they share connections, concurrency and back-off.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "config/config.hpp"
#include "dns/resolver.hpp"
#include "event/stream.hpp"
#include "event/task.hpp"
#include "mail/address.hpp"

namespace mansio::deliver {

struct SiteHost {
  SiteHost(std::string n, std::uint16_t p, std::uint16_t pref, bool lit) : name(std::move(n)), port(p), preference(pref), literal(lit) {}
  std::string name;               // a host name (A-labels), a numeric address when `literal`, or a path when `port` is 0
  std::uint16_t port;             // 0: a unix socket
  std::uint16_t preference;       // equal ones are in random order
  bool literal;
  bool from_mx = false;           // an outside MX named it: never connect to ourselves by it (S-093)
  bool secure = false;            // the look-up that named it was validated by DNSSEC
};

struct Site {
  Site() = default;
  std::string key;                // "TRANSPORT host:port,host:port": sorted by preference, then name, whatever the random order
  std::vector<SiteHost> hosts;    // in the order to try
};

struct SiteAnswer {
  SiteAnswer() = default;
  Status status;                  // not ok: nothing to connect to, for now (4xx) or proven (5xx)
  Site site;
};

// Addresses of ours: what an MX may not lead to.
struct OwnAddresses {
  OwnAddresses() = default;
  std::vector<std::string> names;              // host_name, lower case
  std::vector<event::Endpoint> listeners;      // address "*" for any
  std::vector<std::string> interfaces;         // numeric; refreshed by the owner
  // Would a connection there reach ourselves?
  bool is_own(const event::Endpoint& endpoint) const;
};

class SiteFinder {
 public:
  SiteFinder(dns::Resolver& resolver, OwnAddresses own) : resolver_(resolver), own_(std::move(own)) {}
  void configure(OwnAddresses own) { own_ = std::move(own); }

  // The hosts for `domain` by `transport`: its own hosts when it has some (then the domain doesn't matter, and the site's
  // key names the hosts alone), else a literal's address, else MX, else the domain itself (implicit MX).
  //   550 5.1.2  proven: no such domain        556 5.1.10  null MX           550 5.4.6  the best MX is this host
  //   550 5.4.4  MX hosts exist, none of them has an address, proven         451 4.4.3  the name servers can't say
  event::Task<SiteAnswer> find(std::shared_ptr<const config::Transport> transport, mail::Domain domain);

  // Addresses of one host, IPv6 and IPv4 in turn beginning with IPv6 (when `transport` allows both), to be tried in order.
  struct Addresses {
    Addresses() = default;
    Status status;
    std::vector<event::Endpoint> endpoints;
  };
  event::Task<Addresses> addresses(std::shared_ptr<const config::Transport> transport, SiteHost host);

 private:
  dns::Resolver& resolver_;
  OwnAddresses own_;
};

}  // namespace mansio::deliver
