// Delivery into a Maildir (tmp, new, cur). The message is written and synced in tmp/, renamed into new/ and new/ is
// synced: when the answer is 2xx, file and name survive a power cut (D-004). Of several deliveries at once all files are
// written first, then synced one after the other (the file system makes one of the commits that they need), then renamed,
// and each new/ is synced once for all. The file name is the same each time the same recipient of the same message is
// tried, so a delivery that is repeated after a crash finds itself in new/ or cur/ and makes no second copy. Runs with
// the rights of the mailbox's owner; blocks.
#pragma once
#include <sys/stat.h>

#include <list>
#include <memory>
#include <span>
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
  Result<std::shared_ptr<const OpenMaildir>> open(const std::string& path, const std::string& home);
  void drop(const std::string& path);

 private:
  std::list<std::shared_ptr<const OpenMaildir>> open_;    // the most recent first
  std::size_t limit_;
};

// `job` and `message` are borrowed.
struct MaildirDelivery {
  MaildirDelivery(const Job* j, int m) : job(j), message(m) {}
  const Job* job;
  int message;
  Answer answer;
};

// Each gets its answer; one that fails is no other's trouble.
void deliver_maildirs(std::span<MaildirDelivery> deliveries, MaildirCache& cache);
Answer deliver_maildir(const Job& job, int message, MaildirCache& cache);

}  // namespace mansio::deliver
