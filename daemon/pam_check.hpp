// What auth::PamBackend asks: the password agents, through the pool. Only wiring, and the wait that PAM wants after a
// failure, which costs no agent.
#pragma once
#include <functional>
#include <string>

#include "auth/pam_backend.hpp"
#include "deliver/agent_pool.hpp"

namespace mansio::daemon {

class PamCheck {
 public:
  using Report = std::function<void(const std::string& text)>;   // for the log: PAM's own trouble, once, and its end

  // All outlive it, and it outlives its answers.
  PamCheck(event::Loop& loop, deliver::AgentPool& agents, std::string service, Report report)
      : loop_(loop), agents_(agents), service_(std::move(service)), report_(std::move(report)) {}

  event::Task<sasl::Answer> check(std::string user, crypto::Secret password, std::string client);
  // For auth::PamBackend.
  auth::PamBackend::Check function();
  void use(std::string service) { service_ = std::move(service); }   // after a reload

 private:
  void note(const Status& status);

  event::Loop& loop_;
  deliver::AgentPool& agents_;
  std::string service_;
  Report report_;
  bool told_ = false;
};

}  // namespace mansio::daemon
