#include "listeners.hpp"

#include <fmt/format.h>

#include "event/listener.hpp"

namespace mansio::daemon {

const char* role_name(config::Role role) {
  return role == config::Role::lmtp ? "lmtp" : role == config::Role::odmr ? "odmr" : role == config::Role::submission ? "submission" : "relay";
}

std::vector<ListenerSocket> wanted_sockets(const config::Config& config) {
  std::vector<ListenerSocket> out;
  for (const config::Listener& listener : config.listeners) {
    std::vector<std::string> addresses{listener.address};
    if (listener.address == "*") addresses = {"0.0.0.0", "::"};
    for (const std::string& address : addresses) {
      ListenerSocket socket;
      socket.setting = listener.setting.empty() ? "listeners" : listener.setting;
      // Free ports are one each.
      bool any_port = listener.port == 0 && !address.starts_with("unix:");
      socket.key = fmt::format("{} {} {}", role_name(listener.role), address, any_port ? socket.setting : std::to_string(listener.port));
      socket.address = address;
      socket.port = listener.port;
      socket.role = listener.role;
      out.push_back(std::move(socket));
    }
  }
  return out;
}

Result<> open_sockets(const std::vector<ListenerSocket>& wanted, std::map<std::string, UniqueFd>& open) {
  std::map<std::string, UniqueFd> fresh;
  for (const ListenerSocket& socket : wanted) {
    if (open.contains(socket.key) || fresh.contains(socket.key)) continue;
    auto fd = socket.unix_socket() ? event::listen_unix(socket.address.substr(5), 0660) : event::listen_tcp(socket.address, socket.port);
    // A machine without IPv6 still has "*".
    if (!fd && socket.address == "::" && (fd.error().sys() == EAFNOSUPPORT || fd.error().sys() == EADDRNOTAVAIL)) continue;
    if (!fd) {
      std::string hint;
      if (fd.error().sys() == EADDRINUSE) hint = " (another mail server? `ss -ltnp` shows who)";
      if (fd.error().sys() == EACCES) hint = " (ports below 1024 need root)";
      return fail(fd.error().fault(), fmt::format("{}: cannot {}{}", socket.setting, fd.error().text(), hint), fd.error().sys());
    }
    fresh.emplace(socket.key, std::move(*fd));
  }
  open.merge(fresh);
  return {};
}

}  // namespace mansio::daemon
