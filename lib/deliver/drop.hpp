// Delivery into a drop directory: one file a message, NAME, with CRLF line ends. It is written under a hidden name
// (".NAME.tmp"), synced, renamed and its directory synced: whoever reads the directory sees a file whole or not at all, and
// when the answer is 2xx it survives a power cut (D-004). A delivery that is repeated finds the file of the one before by its
// content, as long as it is there, and makes no second one; a file with other content is never touched ("NAME-2" then).
// Runs with the rights of the directory's owner; blocks.
#pragma once
#include "base/result.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

Answer deliver_drop(const Job& job, int message);

// For the agent: `job.owner` becomes its uid, gid and user. Not ok (4xx): there is no such user or group, or nobody knows.
Status find_owner(Job& job);

// For the agent, as root: the directory, 0770 and its owner's, when the one above is root's own, no symlink leads there, and
// nobody else may write there. Where the owner may write himself deliver_drop makes it.
Result<> create_drop_directory(const std::string& path, uid_t uid, gid_t gid);

// drop_use.cpp: counts the regular files of the directory `fd`, hidden ones too.
Result<DirectoryUse> count_directory(int fd);

// Must the directory be counted before `size` bytes go there, or is what `job.use` says good enough? `changed` and `now` as in
// DirectoryUse. What we did is in `use` exactly. What others did shows in the directory's mtime, and then it is counted
// again, but not more often than once a second and for a twentieth of the time, so that 10,000 files that come while others are
// taken away cost some dozen counts and not 10,000; at the limit it is counted whenever it changed.
bool must_count(const Job& job, std::uint64_t size, std::uint64_t changed, std::uint64_t now) noexcept;

// Would another `size` bytes be too much? Then the words for it.
Status judge_quota(const Job& job, const DirectoryUse& use, std::uint64_t size);

}  // namespace mansio::deliver
