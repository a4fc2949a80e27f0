// The answers to `status` of several mail processes as one, for who sees one server. Pure.
//
// Sessions, listeners' sessions, the queue, destinations (by name) and rates are added; of the rest the first process speaks,
// for all have the same configuration, disks and pauses. "processes" tells them apart: [{"number","pid","started",
// "uptime_seconds","sessions":{"in","out"},"queue":{…}}], and {"number","missing":true} of one that does not answer.
#pragma once
#include <vector>

#include <nlohmann/json.hpp>

namespace mansio::control {

// By process; null: it did not answer; empty: there is none. At least one did.
nlohmann::json sum_status(const std::vector<nlohmann::json>& answers);

}  // namespace mansio::control
