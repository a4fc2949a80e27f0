// Users of the system, asked of the look-up agent and remembered for a moment: a list of a thousand recipients asks
// once a name, and a change in /etc/passwd or in a ~/.forward counts two seconds later.
#pragma once
#include <chrono>
#include <string>
#include <unordered_map>

#include "deliver/agent_pool.hpp"
#include "route/destination.hpp"

namespace mansio::daemon {

class AgentDirectory final : public route::UserDirectory {
 public:
  explicit AgentDirectory(deliver::AgentPool& agents) : agents_(agents) {}
  event::Task<Result<std::optional<route::User>>> find(std::string name, bool with_forward) override;

 private:
  struct Known {
    std::optional<route::User> user;
    MonotonicTime until;
  };
  deliver::AgentPool& agents_;
  std::unordered_map<std::string, Known> known_;
};

}  // namespace mansio::daemon
