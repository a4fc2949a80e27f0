// What the daemon knows of itself, for `mansioctl status`: the wiring fills it in (daemon/facts.cpp).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::control {

struct Facts {
  Facts() = default;

  struct Listener {
    Listener() = default;
    std::string setting;           // "listeners[0]"
    std::string address;           // where it really listens: numeric, or "unix:/path"
    std::uint16_t port = 0;
    std::string role, tls;         // as the configuration has them
    bool auth = false;
    std::string unix_path() const { return address.starts_with("unix:") ? address : std::string(); }
    // "192.0.2.1:25", "[::1]:25", "unix:/path": as a pause names it.
    std::string name() const;
  };
  struct Certificate {
    Certificate() = default;
    std::string file;
    std::vector<std::string> names;
    Time expires{};
  };

  std::string version, instance, config_file, spool_directory, log_directory;
  int pid = 0;                     // of the parent
  Time started{};
  std::uint64_t reserve = 0;       // octets of the spool's file system that are kept free
  std::vector<Listener> listeners;
  std::vector<Certificate> certificates;
  std::vector<std::string> missing;        // listeners that the configuration wants and that are not open
};

}  // namespace mansio::control
