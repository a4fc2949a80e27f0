#include "policy/quota.hpp"

#include <algorithm>

namespace mansio::policy {
namespace {

constexpr std::size_t logins_limit = 100'000;
constexpr std::chrono::minutes step_length{5};

std::int64_t step_of(MonotonicTime now) { return now.time_since_epoch() / step_length; }

}  // namespace

void Quota::add(const std::string& login, std::uint64_t recipients, MonotonicTime now) {
  std::int64_t step = step_of(now);
  auto at = logins_.find(login);
  if (at == logins_.end()) {
    make_room(step);
    at = logins_.emplace(login, Login()).first;
    at->second.step = step;
  }
  Login& one = at->second;
  // Steps that have passed since count no more.
  for (std::int64_t gone = std::max(one.step, step - static_cast<std::int64_t>(steps)) + 1; gone <= step; ++gone) {
    one.sent[static_cast<std::size_t>(gone) % steps] = Sent();
  }
  one.step = std::max(one.step, step);
  Sent& sent = one.sent[static_cast<std::size_t>(one.step) % steps];
  ++sent.messages;
  sent.recipients += recipients;
}

Quota::Sent Quota::last_hour(const std::string& login, MonotonicTime now) const {
  Sent out;
  auto at = logins_.find(login);
  if (at == logins_.end()) return out;
  const Login& one = at->second;
  std::int64_t oldest = step_of(now) - static_cast<std::int64_t>(steps) + 1;
  for (std::int64_t step = std::max(oldest, one.step - static_cast<std::int64_t>(steps) + 1); step <= one.step; ++step) {
    const Sent& sent = one.sent[static_cast<std::size_t>(step) % steps];
    out.messages += sent.messages;
    out.recipients += sent.recipients;
  }
  return out;
}

// Those who sent nothing within the hour go first; when all have, the one who has waited longest.
void Quota::make_room(std::int64_t step) {
  if (logins_.size() < logins_limit) return;
  std::erase_if(logins_, [&](const auto& entry) { return entry.second.step <= step - static_cast<std::int64_t>(steps); });
  if (logins_.size() < logins_limit) return;
  logins_.erase(std::ranges::min_element(logins_, {}, [](const auto& entry) { return entry.second.step; }));
}

}  // namespace mansio::policy
