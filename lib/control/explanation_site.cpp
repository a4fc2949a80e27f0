// Where other hosts are concerned: who takes the mail, how it is spoken to them, and what the queue knows of them.
#include <fmt/format.h>

#include <algorithm>

#include "base/unix_time.hpp"
#include "config/places.hpp"
#include "control/explanation.hpp"
#include "control/status.hpp"

namespace mansio::control {
namespace {

constexpr const char* tls_words[] = {"none", "opportunistic", "required", "verify"};

}  // namespace

// The index into sites_; nullopt when too many are there already. The same next hop is looked up once.
event::Task<std::optional<std::size_t>> Explanation::site(const route::Destination* destination, const std::string* sender) {
  auto transport = destination->transport;
  const mail::Domain domain = destination->address.domain();
  std::string hop = transport->key() + " " + domain.key();
  if (auto known = known_.find(hop); known != known_.end()) co_return known->second;
  if (sites_.size() >= most_sites_shown) co_return std::nullopt;
  std::size_t index = sites_.size();
  known_[hop] = index;
  sites_.push_back(Json::object());
  mail::Domain asked = domain;
  auto found = co_await queue_.finder.find(transport, std::move(asked));
  Json out;
  out["transport"] = transport->name;
  if (!transport->variant.empty() && transport->group < config_->domain_settings.size()) out["settings_place"] = place_of(fmt::format("domain_settings[{}]", transport->group));
  out["domain"] = domain.key();
  out["key"] = found.site.key;
  out["status"] = describe_status(found.status);
  out["by_mx"] = transport->by_mx();
  Json list = co_await hosts(transport, &found.site);
  out["hosts"] = std::move(list);
  out["tls"] = describe_tls(*transport, domain);
  out["login"] = describe_login(*transport, found.site, *sender);
  out["state"] = state(*destination, found.status.ok() ? found.site.key : std::string(), *sender);
  sites_[index] = std::move(out);
  co_return index;
}

event::Task<Explanation::Json> Explanation::hosts(std::shared_ptr<const config::Transport> transport, const deliver::Site* site) {
  constexpr std::uint16_t fallback = 65535;
  Json out = Json::array();
  for (const deliver::SiteHost& host : site->hosts) {
    Json one;
    one["name"] = host.name;
    one["port"] = host.port;
    if (host.from_mx) one["preference"] = host.preference;
    if (!host.from_mx && host.preference == fallback) one["fallback"] = true;
    if (host.ttl.count() > 0) one["mx_ttl"] = host.ttl.count() / 1000;
    one["mx_secure"] = host.secure;
    one["addresses"] = Json::array();
    if (host.port != 0) {
      deliver::SiteHost copy = host;
      auto addresses = co_await queue_.finder.addresses(transport, std::move(copy));
      for (const auto& endpoint : addresses.endpoints) one["addresses"].push_back(endpoint.address);
      one["status"] = describe_status(addresses.status);
      one["secure"] = addresses.secure;
      if (addresses.ttl.count() > 0) one["ttl"] = addresses.ttl.count() / 1000;
    }
    out.push_back(std::move(one));
  }
  co_return out;
}

// Which setting decides: that of the group of domain_settings, if it is given there, or the transport's.
std::string Explanation::setting_of(const config::Transport& transport, std::string_view leaf) const {
  std::string of_group = fmt::format("domain_settings[{}].{}", transport.group, leaf);
  bool by_group = !transport.variant.empty() && config_->places && config_->places->has(of_group);
  return by_group ? of_group : fmt::format("transports.{}.{}", transport.name, leaf);
}

Explanation::Json Explanation::describe_tls(const config::Transport& transport, const mail::Domain& domain) const {
  Json out;
  auto demand = queue_.remote.demand(config_, transport, domain);
  out["level"] = tls_words[static_cast<std::size_t>(demand.level)];
  if (transport.tls_implicit) out["implicit"] = true;
  if (!demand.names.empty()) out["names"] = demand.names;
  out["by"] = demand.by_policy ? "tls_policy" : "transport";
  out["place"] = place_of(setting_of(transport, "tls"));
  if (!demand.by_policy) return out;
  for (std::size_t i = 0; i < config_->tls_policies.size(); ++i) {
    if (!config::DomainList(config_->tls_policies[i].domains).matches(domain.key())) continue;
    out["place"] = place_of(fmt::format("tls_policy[{}]", i));
    break;
  }
  return out;
}

// Who we log in as; never with what.
Explanation::Json Explanation::describe_login(const config::Transport& transport, const deliver::Site& site, const std::string& sender) const {
  Json out;
  if (transport.credentials.empty() || site.hosts.empty()) return out;
  out["file"] = transport.credentials;
  out["place"] = place_of(setting_of(transport, "credentials"));
  std::optional<mail::Address> from;
  if (auto parsed = mail::Address::parse(sender)) from = std::move(*parsed);
  auto login = queue_.remote.find_login(transport, site.hosts.front(), from);
  if (!login) {
    out["problem"] = login.error().text();
  } else if (*login) {
    out["user"] = (*login)->user;
    const Status* refused = (*login)->refused_by(deliver::Logins::host_key(site.hosts.front()));
    if (refused != nullptr) out["refused"] = describe_status(*refused);
  }
  return out;
}

// There may be a hundred thousand: they are copied once an answer. Null: nothing is going on there.
const queue::Lanes::Site* Explanation::lane(queue::LaneKey key) {
  if (!lanes_) lanes_ = queue_.lanes().sites(false);
  auto found = std::ranges::find(*lanes_, key, &queue::Lanes::Site::key);
  return found == lanes_->end() ? nullptr : &*found;
}

// What the queue knows of the site, or of the domain while its site isn't known.
Explanation::Json Explanation::state(const route::Destination& destination, const std::string& key, const std::string& sender) {
  Json out;
  mail::Envelope envelope;
  if (auto parsed = mail::Address::parse(sender)) envelope.sender = std::move(*parsed);
  envelope.recipients.emplace_back(destination.original);
  spool::Message message(std::move(envelope));
  auto own = queue_.domain_lane(message);
  queue::LaneKey lane = !key.empty() ? queue::lane_key(key) : own ? queue_.lanes().resolve(*own) : 0;
  const queue::Lanes::Site* known = this->lane(lane);
  std::size_t waiting = queue_.waiting_for(lane);
  if (known != nullptr) {
    bool closed = known->closed_until != Time();
    out["state"] = closed ? "closed" : "open";
    out["active"] = known->active;
    out["window"] = known->window;
    waiting += known->ready;
    if (closed) {
      out["closed_until"] = unix_seconds(known->closed_until);
      out["out_of_reach_since"] = unix_seconds(known->outage_since);
      out["failures"] = known->failures;
      out["why"] = describe_status(known->why);
    }
  } else {
    out["state"] = "open";
    out["active"] = 0;
    out["window"] = 1;
  }
  out["waiting"] = waiting;
  const queue::PauseList& pauses = queue_.pauses();
  const queue::Pause* pause = pauses.of_outbound();
  if (pause == nullptr) pause = pauses.of_domain(destination.address.domain().key());
  if (pause == nullptr && !key.empty()) pause = pauses.of_site(key);
  if (pause != nullptr) out["paused"] = pause_object(*pause);
  const std::string& domain = destination.address.domain().key();
  if (queue_.is_held(domain)) out["held"] = domain;       // until it is fetched
  return out;
}

}  // namespace mansio::control
