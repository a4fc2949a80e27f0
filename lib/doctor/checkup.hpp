// All checks at once: those that wait for others run side by side, and the findings come in an order that is always the
// same.
#pragma once
#include <functional>

#include "doctor/checks.hpp"

namespace mansio::doctor {

struct Progress {
  std::size_t done = 0, all = 0;
};

// `subject` is filled (addresses) and outlives it. `progress` is called whenever a check has ended. Blocks for the disk.
event::Task<Findings> check_all(event::Loop& loop, Names& resolver, dns::ResolverOptions servers, Subject& subject,
                                std::function<void(const Progress&)> progress);

}  // namespace mansio::doctor
