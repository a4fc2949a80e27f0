// Messages of the queue as the objects that the protocol tells of them (session.hpp). Pure: called on threads.
#pragma once
#include <array>
#include <string>

#include <nlohmann/json.hpp>

#include "control/queue_walk.hpp"
#include "queue/waiting_rules.hpp"

namespace mansio::control {

// "{…}\n"; text that is no UTF-8 is replaced, never an exception.
std::string line_of(const nlohmann::json& object);

nlohmann::json describe(const QueueWalk::Found& found, Time now);
// Adds where it stands: "state", "destination", "transport", "closed_until".
void describe_standing(const QueueWalk::Found& found, nlohmann::json& out);
// Adds all that a listing leaves out: how it came, and each recipient in full.
void describe_detail(const QueueWalk::Found& found, const route::Tables& tables, nlohmann::json& out);
// {"schedule","setting","place","expires","delay_warning" (seconds; 0: never),"warning_setting","warning_place"}
nlohmann::json describe_waiting(const queue::WaitingRules& rules, const config::Config& config, Time arrived);

// Ids alone, for who has seen enough: {"ids":["…", …]}, so many in a line.
class IdLines {
 public:
  void add(std::string id, std::string& out);
  void flush(std::string& out);

 private:
  std::vector<std::string> ids_;
};

// Why a message waits, as one word: its place in `state_names`.
inline constexpr std::array<const char*, 6> state_names{"waiting", "due", "trying", "frozen", "closed", "paused"};
std::size_t state_of(const queue::Queue::Standing& standing);

}  // namespace mansio::control
