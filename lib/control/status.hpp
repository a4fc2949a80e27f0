// The answer to `status`, made of what the daemon's parts know. Pure; its keys are a contract (man/mansioctl.8).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/facts.hpp"
#include "queue/lanes.hpp"
#include "queue/pauses.hpp"

namespace mansio::queue {
class Queue;
}
namespace mansio::metrics {
class Metrics;
}

namespace mansio::control {

struct Disk {
  Disk() = default;
  std::string what, directory;
  bool known = false;
  std::uint64_t free = 0, total = 0, reserve = 0;      // octets
  std::uint64_t files_free = 0, files = 0;             // 0 files: the file system doesn't count them
};

struct Machine {
  Machine() = default;
  std::vector<Disk> disks;
  std::string panic;                   // the panic log's last line; "": none
};

struct StatusNumbers {
  StatusNumbers() = default;
  std::size_t messages = 0, due = 0, waiting = 0, trying = 0, frozen = 0, closed = 0, paused = 0;
  bool complete = true;                // the spool has been read to its end
  std::vector<queue::Lanes::Site> destinations;
  std::size_t incoming = 0, outgoing = 0;
  std::uint64_t incoming_most = 0;
  std::vector<std::size_t> at_listener;          // sessions, by Facts::listeners
  std::vector<queue::Pause> pauses;
  std::string spool_trouble;           // why no mail is taken; "": it is
};

// The queue's part.
void describe_queue(const queue::Queue& queue, StatusNumbers& numbers);
// A second, over the last 1, 5 and 15 minutes (metrics_commands.cpp).
nlohmann::json rates_object(const metrics::Metrics& metrics);
nlohmann::json status_object(const Facts& facts, const Machine& machine, const StatusNumbers& numbers, Time now);
nlohmann::json pause_object(const queue::Pause& pause);

// The last line of a text that may begin in the middle of one, without its end; "" when there is none.
std::string last_line(std::string_view text);
// A log line's time, "2026-11-22 14:03:20…" in local time.
std::optional<Time> line_time(std::string_view line);

}  // namespace mansio::control
