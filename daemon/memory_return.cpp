#include "memory_return.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>

namespace mansio::daemon {

void share_heaps() { ::mallopt(M_ARENA_MAX, 2); }

Duration return_memory() {
  constexpr Duration step{10'000};
  constexpr int share = 200;
  auto begin = std::chrono::steady_clock::now();
  ::malloc_trim(0);
  auto took = std::chrono::steady_clock::now() - begin;
  return std::max(step, std::chrono::duration_cast<Duration>(share * took));
}

}  // namespace mansio::daemon
