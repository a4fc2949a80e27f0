// What the configuration says of who may connect and relay: seen without asking anybody.
#include <fmt/format.h>

#include "config/clients.hpp"
#include "doctor/checks.hpp"

namespace mansio::doctor {
namespace {

bool is_loopback(const std::string& address) {
  static const config::NetworkList loopback({"127.0.0.0/8", "::1"});
  return loopback.matches(address);
}

std::string name_of(const config::Listener& listener) { return fmt::format("{} ({} port {})", listener.setting, listener.address, listener.port); }

// Everybody may connect and send anywhere, without a log-in?
void look_at_relay(const config::Listener& listener, const config::ClientRules& relay, const config::ClientRules& access, Findings& out) {
  std::string entry = config::entry_of_everybody(relay.allow);
  if (entry.empty()) return;
  bool few_connect = !access.allow.empty() && config::entry_of_everybody(access.allow).empty();
  std::string seen = fmt::format("{}: relay_from has \"{}\": everybody who connects may send mail to anywhere", name_of(listener), entry);
  bool shielded = few_connect || is_loopback(listener.address) || (listener.role == config::Role::submission && listener.auth_required.value_or(true));
  if (shielded) out.emplace_back("open_relay", State::note, seen, "that rests on who may connect, or on log-ins; name your own networks in relay_from");
  else out.emplace_back("open_relay", State::bad, seen, "spammers find such a server within hours: name your own networks in relay_from");
}

void look_at_access(const config::Listener& listener, const config::ClientRules& access, Findings& out) {
  config::ClientList allow(access.allow), deny(access.deny);
  bool listens_there = listener.address == "*" || is_loopback(listener.address);
  const std::string here = listener.address.find(':') != std::string::npos ? "::1" : "127.0.0.1";
  config::ClientName nameless(config::ClientName::State::known);
  bool out_of_allow = !access.allow.empty() && allow.match(here, nameless) == config::Match::no;
  bool denied = deny.match(here, nameless) == config::Match::yes;
  if (!listens_there || (!out_of_allow && !denied)) return;
  out.emplace_back("access", State::note, fmt::format("{}: programs of this machine that connect to {} are refused; sendmail(8) and unix sockets are not affected", name_of(listener), here),
                   fmt::format("add {} to access.allow if that is not meant", here));
}

}  // namespace

Findings check_access(const config::Config& config) {
  Findings out;
  config::ClientRules relay;
  relay.allow = config.relay_from;
  for (const config::Listener& listener : config.listeners) {
    if (listener.address.starts_with("unix:") || listener.role == config::Role::lmtp || listener.role == config::Role::odmr) continue;
    config::ClientRules access = listener.access.value_or(config.access);
    look_at_relay(listener, listener.relay.value_or(relay), access, out);
    look_at_access(listener, access, out);
  }
  if (out.empty()) out.emplace_back("access", State::ok, "relay_from names no more than some clients, and programs of this machine may connect");
  return out;
}

}  // namespace mansio::doctor
