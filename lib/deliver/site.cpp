#include "deliver/site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/text.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"

namespace mansio::deliver {

// What the addresses of one host come to.
struct SiteFinder::Gathered {
  Gathered() = default;
  std::vector<std::string> v6, v4;
  Status unsure;        // not ok: a question that could not be answered
  bool own = false;     // an address of ours was among them
  bool barred = false;  // one that nobody outside may send us to
  bool insecure = false;  // an answer was not validated by DNSSEC
  std::optional<Duration> ttl;
};

namespace {

constexpr std::uint16_t fallback_preference = 65535;

std::string host_text(const SiteHost& host) {
  if (host.port == 0) return "unix:" + host.name;
  return host.literal ? fmt::format("[{}]:{}", host.name, host.port)
                      : fmt::format("{}:{}", escape(host.name, 255), host.port);
}

std::string site_key(const config::Transport& transport, std::string_view hosts) {
  return fmt::format("{} {}", transport.key(), hosts);
}

// The name servers could not say; RFC 3463 §3.5: X.4.3 directory server failure.
Status unsure_status(const std::string& name, dns::Outcome outcome) {
  std::string text = fmt::format("{}: {}", escape(name, 255), dns::describe(outcome));
  return outcome == dns::Outcome::no_resources ? Status(451, 3, 0, std::move(text))
                                               : Status(451, 4, 3, std::move(text));
}

bool is_host_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; }) &&
         !config::Network::parse_address(name);
}

// Nobody outside may send us there: "this network", link-local (also where clouds keep their secrets), multicast, reserved,
// broadcast. The loopback network when the port is 25: another port was chosen by an admin for a test.
bool is_barred(const std::string& address, std::uint16_t port) {
  static const config::NetworkList never(
      {"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8"});
  static const config::NetworkList loopback({"127.0.0.0/8", "::1/128"});
  return never.matches(address) || (port == 25 && loopback.matches(address));
}

// The hosts of an MX answer, sorted by preference and name, each once (the better preference). "." is no host.
std::vector<SiteHost> hosts_of(const dns::Answer& answer, std::uint16_t port) {
  std::vector<SiteHost> hosts;
  for (const dns::Mx& mx : answer.mx) {
    if (mx.host.empty()) continue;
    SiteHost& host = hosts.emplace_back(mx.host, port, mx.preference, false);
    host.from_mx = true;
    host.secure = answer.secure;
    host.ttl = answer.ttl;
  }
  std::ranges::sort(hosts, {}, [](const SiteHost& host) { return std::pair(host.preference, host.name); });
  std::set<std::string> seen;
  std::erase_if(hosts, [&](const SiteHost& host) { return !seen.insert(host.name).second; });
  return hosts;
}

Status own_status(const std::string& domain) {  // RFC 3463 §3.5: X.4.6 routing loop
  return Status(550, 4, 6,
                fmt::format("the best mail exchanger of {} is this host, which does not take its mail", domain));
}

void cut_from(std::vector<SiteHost>& hosts, std::uint16_t preference) {
  std::erase_if(hosts, [&](const SiteHost& host) { return host.preference >= preference; });
}

SiteAnswer literal_site(const config::Transport& transport, const mail::Domain& domain, const OwnAddresses& own) {
  SiteAnswer answer;
  SiteHost host(domain.literal_address(), transport.port, 0, true);
  host.from_mx = true;
  event::Endpoint endpoint;
  endpoint.address = host.name;
  endpoint.port = host.port;
  if (own.is_own(endpoint))
    answer.status = Status(550, 4, 6, fmt::format("{} is this host, which does not take its mail", domain.key()));
  else if (is_barred(host.name, host.port))
    answer.status = Status(550, 4, 4, fmt::format("no mail is sent to {}", domain.key()));
  answer.site.key = site_key(transport, host_text(host));
  answer.site.hosts.push_back(std::move(host));
  if (!answer.status.ok()) answer.site.hosts.clear();
  return answer;
}

}  // namespace

bool OwnAddresses::is_own(const event::Endpoint& endpoint) const {
  auto address = config::Network::parse_address(endpoint.address);
  if (!address || endpoint.port == 0) return false;
  for (const event::Endpoint& listener : listeners) {
    if (listener.port != endpoint.port) continue;
    if (config::NetworkList({listener.address}).matches(endpoint.address)) return true;
    if (listener.address != "*" && listener.address != "0.0.0.0" && listener.address != "::") continue;
    static const config::NetworkList loopback({"127.0.0.0/8", "::1/128"});
    if (loopback.matches(endpoint.address) || config::NetworkList(interfaces).matches(endpoint.address)) return true;
  }
  return false;
}

// Equal preferences in random order (RFC 5321 §5.1), then no more than the bound.
void SiteFinder::order(std::vector<SiteHost>& hosts) {
  for (auto from = hosts.begin(); from != hosts.end();) {
    auto to =
        std::find_if(from, hosts.end(), [&](const SiteHost& host) { return host.preference != from->preference; });
    std::shuffle(from, to, random_);
    from = to;
  }
  if (hosts.size() > max_site_hosts) hosts.erase(hosts.begin() + max_site_hosts, hosts.end());
}

// RFC 5321 §5.1: this host in the list, and all that are not better, are no way to the domain. True when it was there.
bool SiteFinder::cut_own_names(std::vector<SiteHost>& hosts) const {
  auto own = std::ranges::find_if(
      hosts, [&](const SiteHost& host) { return std::ranges::find(own_.names, host.name) != own_.names.end(); });
  if (own == hosts.end()) return false;
  cut_from(hosts, own->preference);  // sorted: the first is the best
  return true;
}

event::Task<SiteFinder::Found> SiteFinder::exchangers(TransportPtr transport, std::string domain, std::uint16_t port) {
  Found out;
  auto answer = co_await questions_.ask(domain, dns::Type::mx);
  if (answer->found()) out.hosts = hosts_of(*answer, port);
  if (answer->found() && out.hosts.empty()) {  // RFC 7505 §3
    out.status = Status(556, 1, 10, fmt::format("{} does not accept mail (null MX)", domain));
    co_return out;
  }
  if (answer->outcome == dns::Outcome::nxdomain || answer->outcome == dns::Outcome::bad_name) {
    out.status = Status(550, 1, 2, fmt::format("there is no domain {}", domain));
    co_return out;
  }
  if (answer->outcome == dns::Outcome::no_data) {  // RFC 5321 §5.1: implicit MX
    SiteHost& host = out.hosts.emplace_back(domain, port, 0, false);
    host.from_mx = true;
    host.secure = answer->secure;
    host.ttl = answer->ttl;
  }
  if (out.hosts.empty()) {
    out.status = unsure_status(domain, answer->outcome);
    co_return out;
  }
  if (cut_own_names(out.hosts) && out.hosts.empty()) {
    out.status = own_status(domain);
    co_return out;
  }
  for (std::size_t i = 0; i < std::min(out.hosts.size(), max_site_hosts); ++i)
    out.key += (i == 0 ? "" : ",") + host_text(out.hosts[i]);
  order(out.hosts);
  co_await examine(std::move(transport), std::move(domain), &out);
  co_return out;
}

// Looks the hosts' addresses up: which host is this one, which has none at all (RFC 5321 §5.1). After two questions that
// can't be answered the rest is taken as it is, so that slow name servers of spare hosts don't hold mail up; whoever
// connects asks for addresses again, and is never led to this host.
event::Task<> SiteFinder::examine(TransportPtr transport, std::string domain, Found* found) {
  std::vector<SiteHost> kept;
  Status absent = Status(550, 4, 4, fmt::format("the mail exchangers of {} have no usable name", domain)), unsure;
  bool own = false, usable = false;
  int unanswered = 0;
  for (const SiteHost& host : found->hosts) {
    if (unanswered == 2) {
      usable = true;
      kept.push_back(host);
      continue;
    }
    auto answer = co_await addresses(transport, host);
    if (answer.status.permanent() && answer.status.enhanced() == EnhancedCode{5, 4, 6}) {
      cut_from(kept, host.preference);
      own = true;
      break;
    }
    if (answer.status.permanent()) {
      absent = answer.status;
      continue;
    }
    if (answer.status.temporary()) {
      unsure = answer.status;
      ++unanswered;
    }
    usable = usable || answer.status.ok();
    kept.push_back(host);
  }
  found->hosts = std::move(kept);
  if (found->hosts.empty())
    found->status = own ? own_status(domain) : absent;
  else if (!usable)
    found->status = unsure;
}

// The hosts that the configuration names. What it names and does not exist is a mistake in it: the mail waits.
event::Task<SiteFinder::Found> SiteFinder::named(TransportPtr transport, const std::vector<std::string>* entries,
                                                 bool shuffled) {
  Found out;
  std::vector<std::vector<SiteHost>> groups;
  std::vector<std::string> keys;
  for (const std::string& entry : *entries) {
    auto hop = config::parse_next_hop(entry);
    if (!hop) continue;  // the configuration was checked
    std::uint16_t port = hop->port != 0 ? hop->port : transport->port;
    keys.push_back(hop->text(port));
    if (hop->kind != config::NextHopKind::mx) {
      if (hop->kind == config::NextHopKind::unix_socket) port = 0;
      groups.emplace_back().emplace_back(std::move(hop->name), port, 0, hop->kind == config::NextHopKind::literal);
      continue;
    }
    Found found = co_await exchangers(transport, hop->name, port);
    if (found.status.ok())
      groups.push_back(std::move(found.hosts));
    else if (found.status.temporary())
      out.status = std::move(found.status);
    else
      out.status = Status(451, 3, 5, fmt::format("{}, which the configuration names: {}", entry, found.status.text()));
  }
  if (shuffled) {
    std::shuffle(groups.begin(), groups.end(), random_);
    std::ranges::sort(keys);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (SiteHost& host : groups[i]) {
      host.preference =
          shuffled ? std::uint16_t{0} : static_cast<std::uint16_t>(std::min<std::size_t>(i, fallback_preference - 1));
      host.configured = true;
      out.hosts.push_back(std::move(host));
    }
  }
  if (out.hosts.size() > max_site_hosts) out.hosts.erase(out.hosts.begin() + max_site_hosts, out.hosts.end());
  if (!out.hosts.empty())
    out.status = Status();
  else if (out.status.ok())
    out.status = Status(451, 3, 5, "the configuration names no host");
  out.key = fmt::format("{}", fmt::join(keys, ","));
  co_return out;
}

event::Task<SiteAnswer> SiteFinder::find(TransportPtr transport, mail::Domain domain) {
  SiteAnswer answer;
  bool by_mx = transport->by_mx();
  if (by_mx && domain.is_literal()) {
    answer = literal_site(*transport, domain, own_);
  } else {
    Found found;
    if (by_mx)
      found = co_await exchangers(transport, domain.key(), transport->port);
    else
      found = co_await named(transport, &transport->hosts, transport->hosts_random);
    answer.status = std::move(found.status);
    if (answer.status.ok()) answer.site.hosts = std::move(found.hosts);
    answer.site.key = site_key(*transport, found.key);
  }
  if (answer.status.permanent()) co_return answer;
  if (transport->direct_first) co_await add_spare(transport, &transport->hosts, transport->hosts_random, &answer);
  co_await add_spare(transport, &transport->fallback, false, &answer);
  co_return answer;
}

// Hosts for when no other can be reached.
event::Task<> SiteFinder::add_spare(TransportPtr transport, const std::vector<std::string>* entries, bool shuffled,
                                    SiteAnswer* answer) {
  if (entries->empty()) co_return;
  Found spare = co_await named(transport, entries, shuffled);
  if (!spare.status.ok()) co_return;
  if (!answer->status.ok()) answer->site.key = site_key(*transport, spare.key);
  answer->status = Status();
  for (SiteHost& host : spare.hosts) {
    host.preference = fallback_preference;
    answer->site.hosts.push_back(std::move(host));
  }
}

// Sorts a host's addresses into those to connect to and those that must not be.
void SiteFinder::judge(const SiteHost& host, const std::vector<std::string>& addresses,
                       std::vector<std::string>* usable, Gathered* out) const {
  for (const std::string& address : addresses) {
    event::Endpoint endpoint;
    endpoint.address = address;
    endpoint.port = host.port;
    if (host.from_mx && own_.is_own(endpoint))
      out->own = true;
    else if (host.from_mx && is_barred(address, host.port))
      out->barred = true;
    else
      usable->push_back(address);
  }
}

event::Task<> SiteFinder::gather(TransportPtr transport, const SiteHost* host, dns::Type type, Gathered* out) {
  bool v6 = type == dns::Type::aaaa;
  if (transport->family == (v6 ? config::Family::ipv4 : config::Family::ipv6)) co_return;
  auto answer = co_await questions_.ask(host->name, type);
  if (answer->found()) {
    judge(*host, answer->addresses, v6 ? &out->v6 : &out->v4, out);
    out->insecure = out->insecure || !answer->secure;
    out->ttl = std::min(answer->ttl, out->ttl.value_or(answer->ttl));
  } else if (!answer->proven_absent() && answer->outcome != dns::Outcome::bad_name)
    out->unsure = unsure_status(host->name, answer->outcome);
}

event::Task<SiteFinder::Addresses> SiteFinder::addresses(TransportPtr transport, SiteHost host) {
  Addresses out;
  Gathered found;
  if (host.literal) {
    bool v6 = host.name.find(':') != std::string::npos;
    std::vector<std::string> self{host.name};
    if (transport->family != (v6 ? config::Family::ipv4 : config::Family::ipv6))
      judge(host, self, v6 ? &found.v6 : &found.v4, &found);
  } else if (is_host_name(host.name)) {  // an address as MX target is no name (RFC 1035 §3.3.9)
    co_await gather(transport, &host, dns::Type::aaaa, &found);
    co_await gather(transport, &host, dns::Type::a, &found);
  }
  if (found.own) {
    out.status = own_status(host.name);
    co_return out;
  }
  for (std::size_t i = 0; out.endpoints.size() < max_host_addresses && i < std::max(found.v6.size(), found.v4.size());
       ++i) {
    for (auto* list : {&found.v6, &found.v4}) {
      if (i >= list->size() || out.endpoints.size() == max_host_addresses) continue;
      event::Endpoint& endpoint = out.endpoints.emplace_back();
      endpoint.address = (*list)[i];
      endpoint.port = host.port;
    }
  }
  out.secure = found.ttl && !found.insecure;
  out.ttl = found.ttl.value_or(Duration(0));
  if (!out.endpoints.empty()) co_return out;
  const char* which = transport->family == config::Family::ipv4   ? "IPv4 "
                      : transport->family == config::Family::ipv6 ? "IPv6 "
                                                                  : "";
  std::string what = fmt::format("host {} has no {}address", escape(host.name, 255), which);
  if (!found.unsure.ok())
    out.status = found.unsure;
  else if (!host.from_mx)
    out.status = Status(451, 3, 5, what + ", but the configuration names it");
  else
    out.status = Status(550, 4, 4, found.barred ? what + " that mail may be sent to" : what);
  co_return out;
}

}  // namespace mansio::deliver
