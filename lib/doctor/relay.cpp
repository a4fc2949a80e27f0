#include "doctor/relay.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/clients.hpp"

namespace mansio::doctor {

std::vector<RelayTry> relay_tries(const std::string& foreign, const std::string& local, const std::string& own_address) {
  std::string away = "relay-test@" + foreign, from = "doctor@" + foreign;
  std::vector<RelayTry> out;
  out.emplace_back(from, away, true);
  out.emplace_back("", away, true);
  out.emplace_back(from, fmt::format("\"relay-test@{}\"", foreign), true);
  out.emplace_back(from, fmt::format("relay-test%{}", foreign), true);
  out.emplace_back(from, fmt::format("{}!relay-test", foreign), true);
  if (!own_address.empty()) {
    std::string literal = own_address.find(':') == std::string::npos ? own_address : "IPv6:" + own_address;
    out.emplace_back(fmt::format("doctor@[{}]", literal), away, true);
    out.emplace_back(from, fmt::format("relay-test%{}@[{}]", foreign, literal), false);
    out.emplace_back(from, fmt::format("@[{}]:{}", literal, away), true);
  }
  if (!local.empty()) {
    out.emplace_back("doctor@" + local, away, true);
    out.emplace_back(from, fmt::format("relay-test%{}@{}", foreign, local), false);
    out.emplace_back(from, fmt::format("\"relay-test@{}\"@{}", foreign, local), false);
    out.emplace_back(from, fmt::format("relay-test@{}@{}", foreign, local), false);
    out.emplace_back(from, fmt::format("@{}:{}", local, away), true);
    out.emplace_back(from, fmt::format("{}!relay-test@{}", foreign, local), false);
  }
  return out;
}

Viewpoint viewpoint_of(const config::Config& config, const config::Listener& listener, const std::vector<std::string>& interfaces) {
  Viewpoint out;
  if (listener.port == 0 || listener.address.starts_with("unix:")) return out;
  // A name or a look-up may make any address one that is trusted.
  const std::vector<std::string>& entries = listener.relay ? listener.relay->allow : config.relay_from;
  const config::ClientList trusted(entries);
  bool sure = !trusted.has_names() && std::ranges::none_of(entries, config::is_look_up);
  std::vector<std::string> candidates = listener.address == "*" ? interfaces : std::vector<std::string>{listener.address};
  for (const std::string& address : candidates) {
    if (address.starts_with("fe80:")) continue;                  // needs a scope
    event::Endpoint endpoint;
    endpoint.address = address;
    endpoint.port = listener.port;
    if (out.any.address.empty()) out.any = endpoint;
    bool stranger = sure && !trusted.matches(address);
    if (stranger && out.stranger.address.empty()) out.stranger = endpoint;
  }
  if (!out.stranger.address.empty()) out.any = out.stranger;
  return out;
}

}  // namespace mansio::doctor
