// Where a domain's mail goes: the site, that is the set of hosts that take it (design: a destination is the MX site, not
// the domain). RFC 5321 §5.1, RFC 7505, RFC 3974 for both address families. Two domains with the same hosts in the same
// order are one site: they share connections, concurrency and back-off.
#pragma once
#include <cstdint>
#include <memory>
#include <random>
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
  SiteHost(std::string n, std::uint16_t p, std::uint16_t pref, bool lit)
      : name(std::move(n)), port(p), preference(pref), literal(lit) {}
  std::string name;          // a host name (A-labels), a numeric address when `literal`, or a path when `port` is 0
  std::uint16_t port;        // 0: a unix socket
  std::uint16_t preference;  // equal ones are in random order; 65535: of the transport's `fallback`
  bool literal;
  bool from_mx = false;  // somebody outside named it (an MX record, a recipient's literal), not the configuration:
                         // never connect to ourselves by it (S-093)
  bool configured = false;  // of the transport's `hosts` or `fallback`: where its credentials are for (with direct_first)
  bool secure = false;   // the look-up that named it was validated by DNSSEC
  Duration ttl{};        // what was left of its time to live; 0: no look-up named it
};

struct Site {
  Site() = default;
  std::string key;  // "TRANSPORT host:port,host:port": sorted by preference, then name, whatever the random order
  std::vector<SiteHost> hosts;  // in the order to try
};

struct SiteAnswer {
  SiteAnswer() = default;
  Status status;  // not ok: nothing to connect to, for now (4xx) or proven (5xx)
  Site site;
};

// Addresses of ours: what an MX may not lead to.
struct OwnAddresses {
  OwnAddresses() = default;
  std::vector<std::string> names;          // host_name, lower case
  std::vector<event::Endpoint> listeners;  // address "*", "0.0.0.0" or "::" for any
  std::vector<std::string> interfaces;     // numeric; refreshed by the owner
  // Would a connection there reach ourselves?
  bool is_own(const event::Endpoint& endpoint) const;
};

// The one thing that the search for a site needs of the name system.
struct NameQuestions {
  virtual event::Task<std::shared_ptr<const dns::Answer>> ask(std::string name, dns::Type type) = 0;

 protected:
  ~NameQuestions() = default;
};

class ResolverQuestions final : public NameQuestions {
 public:
  explicit ResolverQuestions(dns::Resolver& resolver) : resolver_(resolver) {}
  event::Task<std::shared_ptr<const dns::Answer>> ask(std::string name, dns::Type type) override {
    return resolver_.ask(std::move(name), type);
  }

 private:
  dns::Resolver& resolver_;
};

// Bounds of one site: an MX record set may hold hundreds of hosts.
inline constexpr std::size_t max_site_hosts = 10, max_host_addresses = 6;

class SiteFinder {
 public:
  using TransportPtr = std::shared_ptr<const config::Transport>;

  // Both must outlive what is awaited. The seed is for the order of equal hosts.
  SiteFinder(NameQuestions& questions, OwnAddresses own, std::uint64_t seed = std::random_device()())
      : questions_(questions), own_(std::move(own)), random_(seed) {}
  void configure(OwnAddresses own) { own_ = std::move(own); }

  // The hosts for `domain` by `transport`: its own hosts when it has some (then the domain doesn't matter, and the site's
  // key names the hosts alone), else a literal's address, else MX, else the domain itself (implicit MX). MX hosts that
  // have no address, proven, are left out, as are this host and those that are not better. With direct_first its own hosts
  // follow, and then its `fallback`; they are all there is while the name servers can't say. Nothing is added to a proven no.
  //   550 5.1.2  proven: no such domain        556 5.1.10  null MX           550 5.4.6  the best MX is this host
  //   550 5.4.4  MX hosts exist, none of them has an address, proven         451 4.4.3  the name servers can't say
  //   451 4.3.5  what the configuration names does not exist: its mistake, not the sender's
  event::Task<SiteAnswer> find(TransportPtr transport, mail::Domain domain);

  // Addresses of one host, IPv6 and IPv4 in turn beginning with IPv6 (when `transport` allows both), to be tried in order.
  // Not for a unix socket. Statuses are those of find(); with 550 5.4.6 hosts of this preference or worse must not be tried.
  struct Addresses {
    Addresses() = default;
    Status status;
    std::vector<event::Endpoint> endpoints;
    bool secure = false;   // all that was found was validated by DNSSEC
    Duration ttl{};        // the shortest that was left; 0: not looked up
  };
  event::Task<Addresses> addresses(TransportPtr transport, SiteHost host);

 private:
  struct Found {  // hosts in their order, or why there are none
    Found() = default;
    Status status;
    std::vector<SiteHost> hosts;
    std::string key;
  };
  struct Gathered;

  event::Task<Found> exchangers(TransportPtr transport, std::string domain, std::uint16_t port);
  event::Task<Found> named(TransportPtr transport, const std::vector<std::string>* entries, bool shuffled);
  event::Task<> examine(TransportPtr transport, std::string domain, Found* found);
  event::Task<> gather(TransportPtr transport, const SiteHost* host, dns::Type type, Gathered* out);
  event::Task<> add_spare(TransportPtr transport, const std::vector<std::string>* entries, bool shuffled, SiteAnswer* answer);
  void judge(const SiteHost& host, const std::vector<std::string>& addresses, std::vector<std::string>* usable,
             Gathered* out) const;
  void order(std::vector<SiteHost>& hosts);
  bool cut_own_names(std::vector<SiteHost>& hosts) const;

  NameQuestions& questions_;
  OwnAddresses own_;
  std::mt19937_64 random_;
};

}  // namespace mansio::deliver
