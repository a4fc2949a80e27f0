// Delivery into a Maildir (tmp, new, cur). The message is written and synced in tmp/, renamed into new/ and new/ is
// synced: when the answer is 2xx, file and name survive a power cut (D-004). The file name is the same each time the
// same recipient of the same message is tried, so a delivery that is repeated after a crash finds itself in new/ or
// cur/ and makes no second copy. Runs with the rights of the mailbox's owner; blocks.
#pragma once
#include <sys/stat.h>

#include <list>
#include <string>

#include "base/unique_fd.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

// The directories of one Maildir, held open so that a delivery costs open, write, fsync, rename, fsync and little more.
struct OpenMaildir {
  std::string path;
  UniqueFd base, temporary, fresh, current;   // path, tmp, new, cur
  struct stat fresh_stat {};
};

// The Maildirs used last; one for each process. What a path names is looked at again each time (one stat), so a
// Maildir that was moved away or made anew is noticed.
class MaildirCache {
 public:
  explicit MaildirCache(std::size_t limit = 16) : limit_(limit) {}
  // Creates what is missing (0700, parents synced). Below `home` missing levels are made too, but not `home` itself.
  Result<OpenMaildir*> open(const std::string& path, const std::string& home);
  void drop(const std::string& path);

 private:
  std::list<OpenMaildir> open_;    // the most recent first
  std::size_t limit_;
};

Answer deliver_maildir(const Job& job, int message, MaildirCache& cache);

}  // namespace mansio::deliver
