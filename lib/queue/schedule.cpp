#include "queue/schedule.hpp"

#include <algorithm>

namespace mansio::queue {

std::optional<Time> next_attempt(const std::vector<config::RetryStep>& schedule, Time arrived, Time now) {
  if (schedule.empty()) return std::nullopt;
  auto age = std::max(std::chrono::duration_cast<Duration>(now - arrived), Duration(0));
  Time start = now - age;
  if (age >= schedule.back().until) return std::nullopt;
  Duration at{0}, last = schedule.front().interval;
  for (const config::RetryStep& step : schedule) {
    while (at < step.until) {
      Duration interval = step.interval;
      if (step.factor > 1) {
        interval = std::min(step.interval, std::chrono::duration_cast<Duration>(last * step.factor));
      }
      interval = std::max(interval, Duration(1000));
      // Many equal steps at once: the sum below would take a step for each second of a long schedule.
      if (step.factor <= 1 && age > at + interval) {
        auto whole = std::min(age, step.until) - at;
        at += interval * (whole / interval);
        if (at >= step.until) break;
      }
      at += interval;
      last = interval;
      if (at > age) return start + std::min(at, schedule.back().until);
    }
  }
  return start + schedule.back().until;
}

Duration site_pause(const std::vector<config::RetryStep>& schedule, Time failed_first, Time now) {
  constexpr Duration shortest{1000}, longest{std::chrono::hours(1)};
  auto next = next_attempt(schedule, failed_first, now);
  Duration pause = next ? std::chrono::ceil<Duration>(*next - now) : schedule.empty() ? longest : schedule.back().interval;
  return std::clamp(pause, shortest, longest);
}

}  // namespace mansio::queue
