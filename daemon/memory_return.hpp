// Memory that a backlog needed goes back to the system once it has passed. glibc's malloc by itself keeps all that lies below a
// piece in use: a few messages that wait on would hold the tens of megabytes of those that have left.
#pragma once
#include "base/quantity.hpp"

namespace mansio::daemon {

// Gives back all whole pages that are free (malloc_trim(3)); how long to wait before the next time: some seconds, and so long
// that it never takes more than half a percent of a processor, however large and torn the heap is.
Duration return_memory();

}  // namespace mansio::daemon
