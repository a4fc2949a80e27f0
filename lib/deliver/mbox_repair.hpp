// The other half of the mark (mbox.hpp): what the next delivery does with the one an interrupted delivery left.
#pragma once
#include <string>

#include "base/result.hpp"
#include "deliver/mbox_writer.hpp"

namespace mansio::deliver {

// False when the file system has no extended attributes; an error when it has, and the mark could not be written.
Result<bool> set_mark(int fd, const MboxMark& mark);
void clear_mark(int fd);

// Under the lock. True when a torn tail was cut back (and the cut synced). An error leaves the mark for the next time.
Result<bool> repair_mailbox(int fd);

// Cuts the mailbox back to `size` and syncs that; the mark goes only when both are done (D-049).
Result<> roll_back(int fd, std::uint64_t size);

}  // namespace mansio::deliver
