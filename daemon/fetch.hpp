// Mail that is fetched (ETRN, ATRN): what sessions ask for, done by the queue.
#pragma once
#include <functional>

#include "log/logger.hpp"
#include "queue/queue.hpp"
#include "receive/fetch.hpp"

namespace mansio::daemon {

class QueueFetch final : public receive::Fetch {
 public:
  // Both outlive it.
  QueueFetch(queue::Queue& queue, deliver::Remote& remote) : queue_(queue), remote_(remote) {}

  bool is_held(const std::string& domain, bool below) const override { return queue_.is_fetched(queue::Node(domain, below)); }
  bool paused() const override { return queue_.pauses().of_outbound() != nullptr; }
  // With several mail processes: they are told what was asked for, and send their part of it.
  using Tell = std::function<void(const std::string& domain, bool below, const std::string& by)>;
  void tell_others(Tell tell) { tell_ = std::move(tell); }
  bool has_others() const override { return static_cast<bool>(tell_); }
  event::Task<> start_here(std::string domain, bool below, std::string by);

  event::Task<std::optional<std::size_t>> start(std::string domain, bool below, std::string by) override;
  event::Task<std::optional<std::size_t>> waiting(std::vector<std::string> domains) override;
  event::Task<> give(net::Connection connection, std::string user, std::vector<std::string> domains) override;

 private:
  queue::Queue& queue_;
  deliver::Remote& remote_;
  Tell tell_;
};

}  // namespace mansio::daemon
