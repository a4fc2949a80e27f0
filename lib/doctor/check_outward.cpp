#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "doctor/checks.hpp"
#include "doctor/probe.hpp"

namespace mansio::doctor {
namespace {

constexpr const char* well_known = "gmail.com";      // its MX hosts are always there; they are greeted, and left

bool no_route(const Error& error) { return error.sys() == ENETUNREACH || error.sys() == EHOSTUNREACH || error.sys() == EADDRNOTAVAIL; }

struct Attempt {
  Attempt() = default;
  std::string greeting, trouble;     // of the last address that was tried
  bool greeted = false, connected = false, only_routes = true;
};

event::Task<Attempt> greet(event::Loop& loop, std::vector<event::Endpoint> endpoints, std::string helo, bool implicit) {
  Attempt out;
  constexpr std::size_t most = 4;
  for (std::size_t i = 0; i < std::min(endpoints.size(), most); ++i) {
    ProbeTarget target;
    target.endpoint = endpoints[i];
    target.helo = helo;
    target.implicit = implicit;
    auto opened = co_await Probe::open(loop, std::move(target));
    if (opened) {
      out.greeted = true;
      out.greeting = (*opened)->greeting();
      std::unique_ptr<Probe> probe = std::move(*opened);
      co_await probe->quit();
      co_return out;
    }
    out.trouble = fmt::format("{}: {}", endpoints[i].address, opened.error().text());
    bool answered = opened.error().fault() == Fault::denied || opened.error().fault() == Fault::invalid;
    out.connected = out.connected || answered;
    out.only_routes = out.only_routes && no_route(opened.error());
  }
  co_return out;
}

event::Task<std::vector<event::Endpoint>> endpoints_of(Names& names, std::string host, std::uint16_t port, dns::Outcome* trouble) {
  std::vector<event::Endpoint> out;
  bool literal = config::Network::parse_address(host).has_value();
  std::vector<std::string> addresses{host};
  if (!literal) addresses = co_await addresses_of(names, host, trouble);
  for (const std::string& address : addresses) {
    event::Endpoint endpoint;
    endpoint.address = address;
    endpoint.port = port;
    out.push_back(std::move(endpoint));
  }
  co_return out;
}

event::Task<Findings> check_port_25(event::Loop& loop, Names& names, const Subject& subject) {
  Findings out;
  std::vector<event::Endpoint> endpoints;
  dns::Outcome trouble = dns::Outcome::found;
  std::string host = subject.probe_host;
  auto hop = config::parse_next_hop(host);
  if (host.empty()) {
    auto answer = co_await names.ask(well_known, dns::Type::mx);
    host = answer->mx.empty() ? well_known : answer->mx.front().host;
    endpoints = co_await endpoints_of(names, host, 25, &trouble);
  } else if (hop) {
    std::uint16_t smtp_port = hop->port == 0 ? 25 : hop->port;
    endpoints = co_await endpoints_of(names, hop->name, smtp_port, &trouble);
  }
  if (endpoints.empty()) {
    out.emplace_back("port_25_out", State::skipped, fmt::format("{}: {}", host, unknown(trouble) ? dns::describe(trouble) : "no address"), "name another host with --probe-host");
    co_return out;
  }
  auto attempt = co_await greet(loop, std::move(endpoints), helo_name(*subject.config), false);
  if (attempt.greeted) out.emplace_back("port_25_out", State::ok, fmt::format("{} says {}", host, attempt.greeting));
  else if (attempt.connected) out.emplace_back("port_25_out", State::warning, fmt::format("{}: {}", host, attempt.trouble), "it was reached, and does not like this machine: look at reverse_dns and helo_name");
  else if (attempt.only_routes) out.emplace_back("port_25_out", State::skipped, fmt::format("{}: {}: there is no way to the internet from here", host, attempt.trouble));
  else out.emplace_back("port_25_out", State::bad, fmt::format("{}: {}", host, attempt.trouble), "no mail can leave: ask the provider to open port 25, or send through a smart host");
  co_return out;
}

event::Task<Finding> check_smart_host(event::Loop& loop, Names& names, std::string text, std::uint16_t port, bool implicit, std::string helo) {
  Finding out("smart_host", State::skipped, text);
  auto hop = config::parse_next_hop(text);
  if (!hop || hop->kind == config::NextHopKind::mx || hop->kind == config::NextHopKind::unix_socket) {
    out.seen += ": not looked at";
    co_return out;
  }
  dns::Outcome trouble = dns::Outcome::found;
  if (hop->port != 0) port = hop->port;
  auto endpoints = co_await endpoints_of(names, hop->name, port, &trouble);
  if (endpoints.empty()) {
    out.state = unknown(trouble) ? State::skipped : State::bad;
    out.seen = fmt::format("{}: {}", text, unknown(trouble) ? dns::describe(trouble) : "has no address");
    if (out.state == State::bad) out.advice = "mend the name in hosts: mail waits";
    co_return out;
  }
  auto attempt = co_await greet(loop, std::move(endpoints), std::move(helo), implicit);
  if (attempt.greeted) co_return Finding("smart_host", State::ok, fmt::format("{} says {}", text, attempt.greeting));
  bool away = attempt.only_routes && !attempt.connected;
  out.state = away ? State::skipped : State::bad;
  out.seen = fmt::format("{}: {}", text, attempt.trouble);
  if (!away) out.advice = "mail waits until it can be reached: ask who runs it, or look at the port and the firewall";
  co_return out;
}

struct SmartHost {
  std::string text;
  std::uint16_t port = 25;
  bool implicit = false;
  bool operator==(const SmartHost&) const = default;
};

// Those of the transports, and of domains with settings of their own; each once, though transports share those of smart_host.
std::vector<SmartHost> all_smart_hosts(const config::Config& config) {
  std::vector<SmartHost> out;
  auto add = [&](const config::Transport& transport) {
    if (transport.kind != config::TransportKind::smtp) return;
    for (const std::string& text : transport.hosts) {
      SmartHost host{text, transport.port, transport.tls_implicit};
      if (std::ranges::find(out, host) == out.end()) out.push_back(std::move(host));
    }
  };
  std::ranges::for_each(config.transports, add);
  for (const config::DomainSettings& group : config.domain_settings) std::ranges::for_each(group.variants, add);
  return out;
}

}  // namespace

event::Task<Findings> check_outward(event::Loop& loop, Names& names, const Subject& subject) {
  Findings out;
  auto smart_hosts = all_smart_hosts(*subject.config);
  for (const SmartHost& host : smart_hosts) {
    std::string text = host.text, helo = helo_name(*subject.config);
    auto found = co_await check_smart_host(loop, names, std::move(text), host.port, host.implicit, std::move(helo));
    out.push_back(std::move(found));
  }
  if (sends_directly(*subject.config) || !subject.probe_host.empty()) {
    auto found = co_await check_port_25(loop, names, subject);
    std::ranges::move(found, std::back_inserter(out));
  }
  if (out.empty()) out.emplace_back("port_25_out", State::note, "not tried: no mail leaves this machine");
  co_return out;
}

}  // namespace mansio::doctor
