// Delivery to the end of an mbox file (RFC 4155's "mboxrd": body lines that begin with "From ", after any number of
// ">", get one more ">"). Runs with the rights of the mailbox's owner; blocks.
//
// Never torn. Before it appends, the delivery leaves a mark on the file, an extended attribute that says where it
// begins, how long it will be and its checksum; the mark goes when the message is synced. The next delivery that
// finds a mark, under the lock, looks:
//   - all bytes are there and the checksum fits: the delivery was whole, the mark goes;
//   - the file ends within the marked range, and what is there begins with the marked From_ line and holds no other:
//     a torn tail, cut back to where it began, and the cut is synced;
//   - anything else: a reader has rewritten the file since; the mark goes and nothing is cut.
// No extra sync is needed: mark, size and content belong to one inode, and journaling file systems (ext4, xfs,
// btrfs) make the changes of one inode durable in their order. Where extended attributes don't exist a crash of the
// machine can leave a torn message at the end; the next one still begins on a line of its own.
// After a crash between sync and answer the message is delivered once more (D-007): an mbox has no names to look at.
#pragma once
#include <sys/types.h>

#include <ctime>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

inline constexpr Duration mailbox_patience{5000};   // how long all of the locks are waited for

Answer deliver_mbox(const Job& job, int message, Duration patience = mailbox_patience);

// As root, for a mailbox in a directory its owner can't write (/var/mail): an empty file, 0600, owned by `uid` and
// `gid`. Does nothing when something has that name, and refuses a directory that isn't root's own, that others than
// root may write without the sticky bit (or the group, as /var/mail), or that is reached through a symbolic link.
Result<> create_mailbox(const std::string& path, uid_t uid, gid_t gid);

// "From sender Www Mmm dd hh:mm:ss yyyy\n" in UTC. "" is MAILER-DAEMON; blanks, controls and 8-bit become '_'.
std::string from_line(std::string_view sender, std::time_t when);

}  // namespace mansio::deliver
