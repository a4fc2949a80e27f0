// What a drop directory holds, and whether there is room.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/file.hpp"
#include "deliver/drop.hpp"

namespace mansio::deliver {
namespace {

constexpr std::uint64_t one_second = 1'000'000'000, one_minute = 60 * one_second;
constexpr std::uint64_t cost_factor = 20;      // counting takes a twentieth of the time at most

bool exceeds(const Job& job, const DirectoryUse& use, std::uint64_t size) noexcept {
  if (job.quota_files != 0 && use.files >= job.quota_files) return true;
  return job.quota != 0 && (size > job.quota || use.bytes > job.quota - size);
}

}  // namespace

Result<DirectoryUse> count_directory(int fd) {
  auto begun = std::chrono::steady_clock::now();
  auto again = open_file_at(fd, ".", O_RDONLY | O_DIRECTORY);
  if (!again) return std::unexpected(again.error());
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again->get()), ::closedir);
  if (!listing) return fail_errno("read the directory");
  again->release();
  DirectoryUse use;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    struct stat st {};
    if (::fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;      // gone meanwhile
    ++use.files;
    use.bytes += static_cast<std::uint64_t>(st.st_size);
  }
  if (errno != 0) return fail_errno("read the directory");
  auto ended = std::chrono::steady_clock::now();
  auto in_ns = [](auto time) { return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count()); };
  use.counted = in_ns(ended.time_since_epoch());
  use.cost = in_ns(ended - begun);
  return use;
}

bool must_count(const Job& job, std::uint64_t size, std::uint64_t changed, std::uint64_t now) noexcept {
  const DirectoryUse& use = job.use;
  if (use.counted == 0 || now < use.counted) return true;
  std::uint64_t age = now - use.counted;
  bool others = changed != use.changed;
  bool rested = age >= std::max(one_second, cost_factor * std::min(use.cost, one_minute));
  if (exceeds(job, use, size)) return others || rested;
  return (others && rested) || age >= one_minute + cost_factor * std::min(use.cost, one_minute);
}

// RFC 3463 §3.3: 4.2.2, mailbox full.
Status judge_quota(const Job& job, const DirectoryUse& use, std::uint64_t size) {
  if (!exceeds(job, use, size)) return Status();
  std::string files = job.quota_files != 0 ? fmt::format("{} files of {}", use.files, job.quota_files) : fmt::format("{} files", use.files);
  std::string bytes = job.quota != 0 ? fmt::format("{} bytes of {}", use.bytes, job.quota) : fmt::format("{} bytes", use.bytes);
  return Status(452, 2, 2, fmt::format("the drop directory {} is full: it holds {}, {}, and the message has {} bytes", job.path, files, bytes, size));
}

}  // namespace mansio::deliver
