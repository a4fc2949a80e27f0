// Listening sockets: opened by the parent (port 25 needs root), used by the mail process, kept over a reload.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "config/config.hpp"

namespace mansio::daemon {

struct ListenerSocket {
  std::string key;          // "relay 127.0.0.1 25": role, address, port; "lmtp unix:/path 0"; "relay ::1 listeners[2]" for port 0
  std::string setting;      // "listeners[0]", for errors
  std::string address;
  std::uint16_t port = 0;
  config::Role role = config::Role::relay;
  bool unix_socket() const { return address.starts_with("unix:"); }
};

// "relay", "submission", "lmtp": as the configuration spells it.
const char* role_name(config::Role role);

// "*" is two sockets, IPv4 and IPv6.
std::vector<ListenerSocket> wanted_sockets(const config::Config& config);

// Opens those of `wanted` that `open` lacks. On an error nothing is added, and the text names the setting.
Result<> open_sockets(const std::vector<ListenerSocket>& wanted, std::map<std::string, UniqueFd>& open);

}  // namespace mansio::daemon
