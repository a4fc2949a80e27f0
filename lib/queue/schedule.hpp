// When a message is tried again: a pure function of the schedule, its age and the clock. Stateless, so a restart neither
// loses nor hurries an attempt: the times of all attempts follow from the time of arrival.
#pragma once
#include <optional>
#include <vector>

#include "base/quantity.hpp"
#include "config/config.hpp"

namespace mansio::queue {

// The first attempt after `now` of a message that arrived at `arrived`; nullopt when the schedule has ended: the
// message has expired (it expires only after an attempt of that moment, so call this after one). A clock that went
// back counts as age 0 (D-095).
std::optional<Time> next_attempt(const std::vector<config::RetryStep>& schedule, Time arrived, Time now);

// How long a destination is left alone that failed at `now`, and for the first time at `failed_first`: as long as a message
// that came then would wait; once the schedule has ended, as long as between its last attempts. From a second to an hour,
// for a new message need not wait for those that are old.
Duration site_pause(const std::vector<config::RetryStep>& schedule, Time failed_first, Time now);

}  // namespace mansio::queue
