// Follower: who follows conversations over the control socket. What is heard waits here, a thousand lines at most, until
// the reader takes it; of what a slow reader leaves no room for only the number is told.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>

#include "config/match.hpp"
#include "smtp/tracing.hpp"

namespace mansio::control {

class Follower final : public smtp::Tracing::Follower {
 public:
  static constexpr std::size_t most_lines = 1000, longest_line = 2000;

  // `target`: the id of a session, an address or a network of the other side, or the name of a destination: its domain,
  // a host, a site's key or a transport.
  Follower(smtp::Tracing& tracing, std::string_view target);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  bool wants(const smtp::Conversation& conversation, const smtp::Tracing::About& about) override;
  void hear(const smtp::Conversation& conversation, smtp::Heard what, std::string_view text) override;

  // 27 of "i27" and "o27"; nothing of what is no session's id.
  static std::optional<std::uint64_t> session_number(std::string_view target);
  bool is_session() const noexcept { return is_session_; }
  // JSON objects, a line each, all that wait; "" when there is nothing new.
  std::string take();
  std::size_t followed() const noexcept { return open_.size(); }
  std::uint64_t ended() const noexcept { return ended_; }          // conversations that were followed to their end
  // As many conversations as this: no more are begun.
  void at_most(std::uint64_t conversations) { most_ = conversations; }

 private:
  smtp::Tracing& tracing_;
  std::string target_;                 // lower case
  config::NetworkList networks_;
  bool is_session_;
  std::deque<std::string> lines_;
  std::unordered_set<std::string> open_;
  std::uint64_t skipped_ = 0, begun_ = 0, ended_ = 0;
  std::optional<std::uint64_t> most_;
};

}  // namespace mansio::control
