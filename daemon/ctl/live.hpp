// How sessions, destinations and states look in `sessions`, `status` and `top`.
#pragma once
#include <string>
#include <vector>

#include "ctl/daemon_link.hpp"
#include "ctl/screen.hpp"

namespace mansio::ctl {

// "in data, 1.2 MiB", "MAIL", "idle": safe to show.
std::string session_state(const Json& session);
// "192.0.2.1:4711", "[2001:db8::1]:25", "bob (on this machine)".
std::string session_peer(const Json& session);
std::string session_table(const std::vector<Json>& sessions);
// All that is known of one, a line each.
std::string session_page(const Json& session);

// `status` for people. The last part of it, one line each: the destinations.
std::string status_page(const Json& status, const std::string& own_version);
std::string destination_table(const Json& status, std::int64_t now);
// "outbound, until 14:30 (in 2h), by root: the uplink is down"
std::string pause_line(const Json& pause, std::int64_t now);

}  // namespace mansio::ctl
