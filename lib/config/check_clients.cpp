// Lists of clients, and what listeners have from the settings for all of them.
#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/clients.hpp"
#include "config/directory.hpp"
#include "config/value.hpp"
#include "config/w3c_fields.hpp"

namespace mansio::config {
namespace {

template <class T>
void inherit(std::optional<T>& own, const T& general) {
  if (!own) own = general;
}

void inherit_limits(ListenerLimits& own, const Limits& general) {
  inherit(own.connections, general.connections);
  inherit(own.connections_per_client, general.connections_per_client);
  inherit(own.messages_per_connection, general.messages_per_connection);
  inherit(own.recipients, general.recipients);
  inherit(own.message_size, general.message_size);
  inherit(own.session_size, general.session_size);
  inherit(own.command_timeout, general.command_timeout);
  inherit(own.data_timeout, general.data_timeout);
}

}  // namespace

void Checker::clients(const std::string& path, std::vector<std::string>& list) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string place = fmt::format("{}[{}]", path, i);
    if (is_look_up(list[i]) || list[i].starts_with(ldap_prefix)) {
      out.push_back(look_up(place, list[i]));
    } else if (auto entry = canonical_client(list[i])) {
      out.push_back(std::move(*entry));
    } else {
      problem(place, entry.error().text());
    }
  }
  list = std::move(out);
}

// Nobody must not become everybody: an empty list in the snapshot is the latter.
void Checker::allowed_clients(const std::string& path, std::vector<std::string>& list) {
  if (places_.has(path) && list.empty()) problem(path, "it names no client, so nobody could connect: leave it out for everybody");
  clients(path, list);
}

// What a listener does not say is as for all: each list by itself.
void Checker::listener_rules(Listener& listener) {
  const std::string& path = listener.setting;
  ClientRules access = listener.access.value_or(ClientRules()), relay = listener.relay.value_or(ClientRules());
  allowed_clients(path + ".access.allow", access.allow);
  clients(path + ".access.deny", access.deny);
  clients(path + ".relay_from", relay.allow);
  clients(path + ".relay_deny", relay.deny);
  if (!places_.has(path + ".access.allow")) access.allow = config_.access.allow;
  if (!places_.has(path + ".access.deny")) access.deny = config_.access.deny;
  if (!places_.has(path + ".relay_from")) relay.allow = config_.relay_from;
  if (!places_.has(path + ".relay_deny")) relay.deny = config_.relay_deny;
  listener.access = std::move(access);
  listener.relay = std::move(relay);
  inherit_limits(listener.limits, config_.limits);
  inherit(listener.log_connections, config_.log_connections);
  inherit(listener.w3c, config_.w3c);
}

void Checker::client_rules() {
  clients("relay_from", config_.relay_from);
  clients("relay_deny", config_.relay_deny);
  allowed_clients("access.allow", config_.access.allow);
  clients("access.deny", config_.access.deny);
  clients("domains.etrn_from", config_.domains.etrn_from);
  for (Listener& listener : config_.listeners) listener_rules(listener);
}

void Checker::w3c() {
  const std::vector<std::string> known(w3c_fields.begin(), w3c_fields.end());
  std::set<std::string> seen;
  for (std::size_t i = 0; i < config_.w3c_fields.size(); ++i) {
    const std::string& name = config_.w3c_fields[i];
    std::string place = fmt::format("log.w3c_fields[{}]", i);
    if (std::ranges::find(known, name) == known.end()) {
      auto near = nearest(name, known);
      problem(place, fmt::format("unknown field \"{}\"{}", escape(name, 60),
                                 near ? fmt::format(" (did you mean \"{}\"?)", *near) : fmt::format(": there are {}", fmt::join(known, ", "))));
    } else if (repeated(seen, name)) {
      problem(place, fmt::format("\"{}\" is in the list twice", name));
    }
  }
  if (places_.has("log.w3c_fields") && config_.w3c_fields.empty()) problem("log.w3c_fields", "it names no field: leave it out for all of them");
}

}  // namespace mansio::config
