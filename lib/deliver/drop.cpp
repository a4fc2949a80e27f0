#include "deliver/drop.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "base/file.hpp"
#include "deliver/content.hpp"

namespace mansio::deliver {
namespace {

constexpr int names_limit = 100;
constexpr mode_t directory_mode = 0770;

std::string parent_of(const std::string& path) {
  auto slash = path.find_last_of('/');
  return slash == 0 || slash == std::string::npos ? std::string("/") : path.substr(0, slash);
}

// With the owner's own rights.
Result<> make_drop_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    int sys = errno;
    std::string what = sys == ENOENT ? "the directory above does not exist" : "it does not exist and can't be made";
    return fail(sys == EACCES || sys == EROFS ? Fault::denied : Fault::not_found, what, sys);
  }
  if (::chmod(path.c_str(), directory_mode) != 0) return fail_errno("chmod");
  return sync_directory(parent_of(path));
}

// No symlink as its last part, and nobody's but those whom its owner trusts.
Result<UniqueFd> open_drop_directory(const std::string& path) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  auto fd = open_file(path, flags);
  if (!fd && fd.error().fault() == Fault::not_found) {
    if (auto made = make_drop_directory(path); !made) return std::unexpected(made.error());
    fd = open_file(path, flags);
  }
  struct stat st {};
  if (!fd && ::lstat(path.c_str(), &st) == 0 && !S_ISDIR(st.st_mode)) return fail(Fault::denied, S_ISLNK(st.st_mode) ? "it is a symlink" : "it is no directory");
  if (!fd) return fd;
  if (::fstat(fd->get(), &st) != 0) return fail_errno("stat");
  if ((st.st_mode & S_IWOTH) != 0) return fail(Fault::denied, "everybody may write in it: chmod o-w");
  return fd;
}

Result<std::uint64_t> mtime_of(int directory) {
  struct stat st {};
  if (::fstat(directory, &st) != 0) return fail_errno("stat");
  return static_cast<std::uint64_t>(st.st_mtim.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(st.st_mtim.tv_nsec);
}

std::string numbered(const std::string& name, int number) {
  if (number == 1) return name;
  auto dot = name.rfind('.');
  return fmt::format("{}-{}{}", name.substr(0, dot), number, dot == std::string::npos ? "" : name.substr(dot));
}

// Is this very message, with this very envelope, in the file?
Result<bool> holds_message(const Job& job, int message, int directory, const std::string& name) {
  auto file = open_file_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file) return false;
  struct stat st {};
  if (::fstat(file->get(), &st) != 0) return fail_errno("stat " + name);
  std::uint64_t size = job.prefix.size() + job.message.length;
  if (!S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) != size) return false;
  Content content(job, message);
  std::vector<char> there;
  for (std::uint64_t at = 0;;) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) return true;
    there.resize(block->size());
    if (!pread_all(file->get(), there.data(), there.size(), at)) return false;
    if (std::string_view(there.data(), there.size()) != *block) return false;
    at += block->size();
  }
}

bool is_there(int directory, const std::string& name) {
  struct stat st {};
  return ::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

// The name that the message is to have; "": it is there already.
Result<std::string> free_name(const Job& job, int message, int directory) {
  for (int number = 1; number <= names_limit; ++number) {
    std::string name = numbered(job.name, number);
    if (!is_there(directory, name)) return name;
    auto same = holds_message(job, message, directory, name);
    if (!same) return std::unexpected(same.error());
    if (*same) return std::string();
  }
  return fail(Fault::exists, fmt::format("{} files are called {} already", names_limit, job.name));
}

// The rest of an attempt that was cut off is in nobody's hand, and goes; of one that goes on the lock is held.
Result<UniqueFd> create_hidden(int directory, const std::string& name) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto file = open_file_at(directory, name, flags, 0600);
  if (!file && file.error().fault() == Fault::exists) {
    auto old = open_file_at(directory, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!old) return old;
    if (::flock(old->get(), LOCK_EX | LOCK_NB) != 0) return fail(Fault::busy, "another delivery of this message goes on");
    if (::unlinkat(directory, name.c_str(), 0) != 0) return fail_errno("remove " + name);
    file = open_file_at(directory, name, flags, 0600);
  }
  if (file && ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) return fail(Fault::busy, "another delivery of this message goes on");
  return file;
}

Result<> write_drop_file(const Job& job, int message, int file) {
  Content content(job, message);
  for (;;) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) break;
    if (auto done = write_all(file, *block); !done) return done;
  }
  // A directory may give its own group; who names one means that.
  if (job.owner.find(':') != std::string::npos && ::fchown(file, static_cast<uid_t>(-1), job.gid) != 0) return fail_errno("give the file to the group");
  if (::fchmod(file, job.mode) != 0) return fail_errno("chmod");
  return sync_file(file);
}

// Never over a file that is there (Fault::exists).
Result<> make_visible(int directory, const std::string& hidden, const std::string& name) {
  if (::renameat2(directory, hidden.c_str(), directory, name.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL || errno == ENOSYS) {     // a file system that can't do it (NFS)
    if (::linkat(directory, hidden.c_str(), directory, name.c_str(), 0) == 0) {
      ::unlinkat(directory, hidden.c_str(), 0);
      return {};
    }
  }
  return fail_errno("rename to " + name);
}

Result<> write_to(const Job& job, int message, int directory, const std::string& name) {
  std::string hidden = "." + job.name + ".tmp";
  auto file = create_hidden(directory, hidden);
  if (!file) return std::unexpected(file.error());
  auto done = write_drop_file(job, message, file->get());
  if (done) done = make_visible(directory, hidden, name);
  if (!done) ::unlinkat(directory, hidden.c_str(), 0);
  return done;
}

struct DropVisit {
  Status status;
  DirectoryUse use;
  std::uint64_t bytes = 0;
};

Result<DropVisit> visit(const Job& job, int message, int directory) {
  DropVisit out;
  out.use = job.use;
  auto name = free_name(job, message, directory);
  if (!name) return std::unexpected(name.error());
  if (name->empty()) {
    // The attempt that made it may have ended before its name was durable.
    if (auto synced = sync_file(directory); !synced) return std::unexpected(synced.error());
    out.status = Status(250, 2, 0, "delivered by an earlier attempt");
    return out;
  }
  std::uint64_t size = job.prefix.size() + job.message.length;
  bool limited = job.quota != 0 || job.quota_files != 0;
  if (limited) {
    auto changed = mtime_of(directory);
    if (!changed) return std::unexpected(changed.error());
    auto now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
    if (must_count(job, size, *changed, static_cast<std::uint64_t>(now))) {
      auto counted = count_directory(directory);
      if (!counted) return std::unexpected(counted.error());
      out.use = *counted;
      out.use.changed = *changed;
    }
    out.status = judge_quota(job, out.use, size);
    if (!out.status.ok()) return out;
  }
  if (auto written = write_to(job, message, directory, *name); !written) return std::unexpected(written.error());
  if (auto synced = sync_file(directory); !synced) return std::unexpected(synced.error());
  if (limited) {
    ++out.use.files;
    out.use.bytes += size;
    out.use.changed = mtime_of(directory).value_or(0);
  }
  out.bytes = size;
  out.status = Status(250, 2, 0, fmt::format("delivered to {}/{}", job.path, *name));
  return out;
}

}  // namespace

Answer deliver_drop(const Job& job, int message) {
  Answer answer;
  answer.serial = job.serial;
  auto directory = open_drop_directory(job.path);
  Result<DropVisit> done = directory ? visit(job, message, directory->get()) : std::unexpected(directory.error());
  if (done) {
    answer.status = std::move(done->status);
    answer.use = done->use;
    answer.bytes = done->bytes;
  } else {
    answer.status = local_trouble(done.error(), "drop directory " + job.path);
    answer.sys = done.error().sys();
  }
  return answer;
}

Status find_owner(Job& job) {
  auto colon = job.owner.find(':');
  std::string user = job.owner.substr(0, colon), group = colon == std::string::npos ? std::string() : job.owner.substr(colon + 1);
  std::vector<char> room(64 << 10);
  passwd entry{};
  passwd* found = nullptr;
  int sys = ::getpwnam_r(user.c_str(), &entry, room.data(), room.size(), &found);
  if (sys != 0) return Status(451, 3, 0, "the user database can't be asked for " + user + ": " + Error::from_errno(sys, "getpwnam").text());
  if (found == nullptr) return Status(451, 3, 5, "the drop directory " + job.path + " is to be of the user \"" + user + "\", who does not exist");
  job.uid = entry.pw_uid;
  job.gid = entry.pw_gid;
  job.user = user;
  if (group.empty()) return Status();
  ::group of{};
  ::group* there = nullptr;
  sys = ::getgrnam_r(group.c_str(), &of, room.data(), room.size(), &there);
  if (sys != 0) return Status(451, 3, 0, "the group database can't be asked for " + group + ": " + Error::from_errno(sys, "getgrnam").text());
  if (there == nullptr) return Status(451, 3, 5, "the drop directory " + job.path + " is to be of the group \"" + group + "\", which does not exist");
  job.gid = of.gr_gid;
  return Status();
}

Result<> create_drop_directory(const std::string& path, uid_t uid, gid_t gid) {
  std::string above = parent_of(path), name = path.substr(path.find_last_of('/') + 1);
  if (name.empty() || name == "." || name == "..") return fail(Fault::invalid, "no path of a directory");
  struct open_how how {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;   // else the owner of a part of the path could lead root anywhere
  UniqueFd parent(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, above.c_str(), &how, sizeof how)));
  if (!parent) return fail_errno("open " + above);
  struct stat st {};
  if (::fstat(parent.get(), &st) != 0) return fail_errno("stat " + above);
  if (st.st_uid != 0 || (st.st_mode & (S_IWOTH | S_IWGRP)) != 0) return fail(Fault::denied, above + " is not root's own");
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0) return fail_errno("make " + path);
  auto made = open_file_at(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  Result<> done;
  if (!made) done = std::unexpected(made.error());
  if (done && ::fchmod(made->get(), directory_mode) != 0) done = fail_errno("chmod " + path);
  if (done && ::fchown(made->get(), uid, gid) != 0) done = fail_errno("change the owner of " + path);
  if (done) return sync_file(parent.get());
  ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
  return done;
}

}  // namespace mansio::deliver
