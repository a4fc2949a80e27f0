#include "replay/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "base/text.hpp"

namespace mansio::replay {
namespace {

template <class T>
event::Task<> keep_answer(event::Task<T> task, std::optional<T>* out) {
  out->emplace(co_await task);
}

// Users answer at once, so one resume brings a task to its end.
template <class T>
T answer_of(event::Task<T> task) {
  std::optional<T> out;
  auto keeper = keep_answer(std::move(task), &out);
  if (keeper.await_suspend(std::noop_coroutine()) || !out) throw std::logic_error("a decision waits, though nothing here may");
  return std::move(*out);
}

std::string hosts_of(const config::Transport& transport) {
  std::string out;
  for (const std::string& host : transport.hosts) out += (out.empty() ? "" : ", ") + host;
  if (transport.direct_first) out = "MX, else " + out;
  if (out.empty()) out = "MX";
  if (transport.port != 25) out += fmt::format(" port {}", transport.port);
  for (const std::string& host : transport.fallback) out += ", else " + host;
  return out;
}

}  // namespace

std::string Way::text() const {
  std::string out = address;
  if (!route.empty()) out += fmt::format(" by {}", route);
  if (!transport.empty()) out += fmt::format("/{}", transport);
  if (!hosts.empty()) out += fmt::format(" to {}", hosts);
  if (!place.empty()) out += fmt::format(" {}", place);
  if (!user.empty()) out += fmt::format(" as {}", user);
  return out;
}

Judge::Judge(route::TablesPtr tables, route::UserDirectory& users, route::RouterOptions options)
    : tables_(tables), router_(std::move(tables), users, std::move(options)) {}

// By the rules for all listeners; the name is the one that the log has.
config::Match Judge::may_relay(const Envelope& envelope) const {
  if (envelope.client.empty() || (!envelope.login.empty() && tables_->config->relay_authenticated)) return config::Match::yes;
  config::ClientName name(config::ClientName::State::known);
  if (!envelope.client_name.empty()) name.names.push_back(envelope.client_name);
  return tables_->clients.relay.match(envelope.client, name);
}

Way Judge::way(const route::Destination& destination) const {
  using Kind = route::DestinationKind;
  Way out;
  out.address = destination.address.text();
  out.route = destination.route;
  if (destination.transport) out.transport = destination.transport->name;
  if (destination.kind == Kind::remote) {
    out.hosts = hosts_of(*destination.transport);
    return out;
  }
  out.place = destination.kind == Kind::discard ? "nowhere" : destination.path;
  for (const std::string& word : destination.command) out.place += (out.place.empty() ? "|" : " ") + word;
  if (destination.kind != Kind::discard) out.user = destination.user.empty() ? fmt::format("uid {}", destination.uid) : destination.user;
  return out;
}

std::vector<Way> Judge::ways(const mail::Address& address, const std::string& sender) {
  auto resolution = answer_of(router_.resolve(address, sender));
  std::vector<Way> out;
  for (const route::Destination& destination : resolution.destinations) out.push_back(way(destination));
  for (const route::Refusal& refusal : resolution.refusals) {
    Way& refused = out.emplace_back();
    refused.address = refusal.address.text();
    refused.place = refused_place + refusal.status.line();
  }
  std::ranges::sort(out);
  return out;
}

Decision Judge::decide(const Envelope& envelope, const std::string& recipient) {
  Decision out;
  auto address = iequals(recipient, "postmaster") ? Result<mail::Address>(router_.postmaster()) : mail::Address::parse(recipient);
  if (!address) {
    out.code = 553;
    out.answer = "553 5.1.3 " + address.error().text();
    return out;
  }
  auto facts = policy::facts_of(answer_of(router_.verify(*address, envelope.sender)));
  facts.client_may_relay = may_relay(envelope);
  auto verdict = policy::judge_recipient(facts);
  out.accepted = verdict.status.ok();
  out.code = verdict.status.code();
  out.answer = verdict.status.line();
  if (out.accepted) out.ways = ways(*address, envelope.sender);
  return out;
}

}  // namespace mansio::replay
