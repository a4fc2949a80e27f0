// How much one login has sent within the last hour. Pure: the caller says what time it is. An hour is twelve steps of five
// minutes, so what was sent counts for 55 to 60 minutes. At most 100,000 logins are remembered, those that sent last.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "base/quantity.hpp"

namespace mansio::policy {

class Quota {
 public:
  struct Sent {
    std::uint64_t messages = 0, recipients = 0;
  };
  void add(const std::string& login, std::uint64_t recipients, MonotonicTime now);    // one message
  Sent last_hour(const std::string& login, MonotonicTime now) const;
  std::size_t size() const noexcept { return logins_.size(); }

 private:
  static constexpr std::size_t steps = 12;
  struct Login {
    std::array<Sent, steps> sent{};
    std::int64_t step = 0;         // that sent[step % steps] is of; the others are the eleven before
  };
  void make_room(std::int64_t step);
  std::unordered_map<std::string, Login> logins_;
};

}  // namespace mansio::policy
