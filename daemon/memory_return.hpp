// Memory that a backlog needed goes back to the system once it has passed. glibc's malloc by itself keeps all that lies below a
// piece in use: a few messages that wait on would hold the tens of megabytes of those that have left.
#pragma once
#include "base/quantity.hpp"

namespace mansio::daemon {

// Lets all threads of this process share two heaps; before the second thread begins. glibc makes up to eight for each processor,
// a heap keeps the most that it ever needed, and malloc_trim cuts the end off the first one only.
void share_heaps();

// Gives back all whole pages that are free (malloc_trim(3)); how long to wait before the next time: some seconds, and so long
// that it never takes more than half a percent of a processor, however large and torn the heap is.
Duration return_memory();

}  // namespace mansio::daemon
