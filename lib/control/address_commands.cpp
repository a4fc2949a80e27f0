// Where mail for an address would go (-bt), and whether it would go anywhere (-bv): the same router and the same search
// for hosts as for a delivery, and nothing is sent.
#include <fmt/format.h>

#include "control/session.hpp"

namespace mansio::control {
namespace {

std::string describe_destination(const std::string& text, const route::Destination& destination) {
  std::string line = text + " -> " + destination.address.text() + " R=" + destination.route;
  if (destination.transport) line += " T=" + destination.transport->name;
  if (!destination.path.empty()) line += " " + destination.path;
  if (!destination.command.empty()) line += " |" + destination.command.front();
  return line;
}

std::string describe_host(const deliver::SiteHost& host, const event::Endpoint* endpoint) {
  constexpr std::uint16_t fallback = 65535;
  if (host.port == 0) return "  host unix:" + host.name;
  std::string line = "  host " + host.name;
  if (endpoint != nullptr) line += fmt::format(" [{}]:{}", endpoint->address, endpoint->port);
  if (host.from_mx) line += fmt::format(" MX={}", host.preference);
  else if (host.preference == fallback) line += " fallback";
  return line;
}

}  // namespace

event::Task<> Session::show_hosts(std::shared_ptr<const config::Transport> transport, mail::Address address, Status* status) {
  auto found = co_await queue_.finder.find(transport, address.domain());
  auto say_line = [&](const std::string& text) {
    Json line;
    line["line"] = text;
    say(line);
  };
  *status = found.status;
  if (!found.status.ok()) {
    say_line("  no host: " + found.status.line());
    co_return;
  }
  for (const auto& host : found.site.hosts) {
    if (host.port == 0) {
      say_line(describe_host(host, nullptr));
      continue;
    }
    auto addresses = co_await queue_.finder.addresses(transport, host);
    if (!addresses.status.ok()) say_line(describe_host(host, nullptr) + ": " + addresses.status.line());
    for (const auto& endpoint : addresses.endpoints) say_line(describe_host(host, &endpoint));
  }
}

event::Task<> Session::route() {
  std::string text = text_of("address");
  bool verify = flag_of("verify");
  auto say_line = [&](const std::string& words) {
    Json line;
    line["line"] = words;
    say(line);
  };
  Status worst;
  auto note = [&](const Status& status) {
    if (status.ok() || worst.permanent()) return;
    worst = status;
  };
  auto address = mail::Address::parse(text);
  if (!address) {
    worst = Status(553, 1, 3, address.error().text());
    if (!verify) say_line(text + ": " + address.error().text());
  } else {
    auto router = queue_.router();
    auto resolution = co_await router->resolve(*address, std::string());
    for (const auto& destination : resolution.destinations) {
      say_line(describe_destination(text, destination));
      if (destination.kind != route::DestinationKind::remote) continue;
      Status status;
      co_await show_hosts(destination.transport, destination.address, &status);
      note(status);
    }
    for (const auto& refusal : resolution.refusals) {
      if (!verify) say_line(text + ": " + refusal.status.line());
      note(refusal.status);
    }
  }
  if (verify) {
    out_.clear();
    if (worst.ok()) say_line(text + " verified");
    else say_line(text + (worst.permanent() ? " failed to verify: " : " cannot be resolved at this time: ") + worst.line());
  }
  Json last;
  last["verdict"] = worst.ok() ? "ok" : worst.permanent() ? "failed" : "deferred";
  end(std::move(last));
}

}  // namespace mansio::control
