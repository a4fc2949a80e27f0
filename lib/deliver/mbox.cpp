#include "deliver/mbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "base/file.hpp"
#include "base/text.hpp"
#include "deliver/content.hpp"
#include "deliver/mailbox_lock.hpp"
#include "deliver/mbox_repair.hpp"
#include "deliver/mbox_writer.hpp"

namespace mansio::deliver {
namespace {

// The mailbox must be the owner's own plain file under one name (S-099, S-101): a link or somebody else's file would
// let another user read, or have written, what isn't his.
Result<> check_mailbox(int fd, uid_t owner) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("stat");
  if (!S_ISREG(st.st_mode)) return fail(Fault::denied, "not a regular file");
  if (st.st_nlink != 1) return fail(Fault::denied, fmt::format("the file has {} names (hard links)", st.st_nlink));
  if (st.st_uid != owner) return fail(Fault::denied, fmt::format("owned by uid {}, not by uid {}", st.st_uid, owner));
  return {};
}

Result<UniqueFd> open_mailbox(const std::string& path, uid_t owner) {
  constexpr int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  auto fd = open_file(path, flags);
  if (!fd && fd.error().fault() == Fault::not_found) {
    fd = open_file(path, flags | O_CREAT | O_EXCL, 0600);
    if (!fd && fd.error().fault() == Fault::exists) fd = open_file(path, flags);   // somebody was quicker
    else if (fd) {
      auto synced = sync_directory(path.substr(0, path.find_last_of('/') + 1));
      if (!synced && synced.error().fault() != Fault::denied) return std::unexpected(synced.error());
    }
  }
  if (!fd) return fd;
  if (auto checked = check_mailbox(fd->get(), owner); !checked) return std::unexpected(checked.error());
  return fd;
}

// A reader may have put a new file in the old one's place while we waited for the lock.
Result<bool> is_still_there(int fd, const std::string& path) {
  struct stat open {}, named {};
  if (::fstat(fd, &open) != 0) return fail_errno("stat");
  if (::lstat(path.c_str(), &named) != 0) return errno == ENOENT ? Result<bool>(false) : fail_errno("stat");
  return open.st_ino == named.st_ino && open.st_dev == named.st_dev && open.st_nlink == 1;
}

// What the From_ line needs before it to stand on its own after whatever the file ends with.
Result<std::string> lead_after(int fd, std::uint64_t size) {
  std::array<char, 2> end{'\n', '\n'};
  auto count = static_cast<std::size_t>(std::min<std::uint64_t>(size, 2));
  if (auto read = pread_all(fd, end.data() + 2 - count, count, size - count); !read) return std::unexpected(read.error());
  if (end[1] != '\n') return std::string("\n\n");
  return std::string(end[0] != '\n' ? "\n" : "");
}

// Under the lock: measure, mark, append, sync; on any error back to the old size.
Result<std::uint64_t> append_message(const Job& job, int message, int fd) {
  if (auto repaired = repair_mailbox(fd); !repaired) return std::unexpected(repaired.error());
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("stat");
  auto old_size = static_cast<std::uint64_t>(st.st_size);
  auto lead = lead_after(fd, old_size);
  if (!lead) return std::unexpected(lead.error());
  auto from = from_line(job.sender, std::time(nullptr));
  MboxMark mark;
  mark.start = old_size;
  mark.from_line_length = lead->size() + from.size();
  mark.from_line_checksum = checksum(*lead + from);
  Checksum sum;
  auto measured = write_mbox_block(job, message, *lead, from, [&](std::string_view piece) {
    sum.update(piece);
    mark.length += piece.size();
    return Result<>();
  });
  if (!measured) return std::unexpected(measured.error());
  mark.checksum = sum.value();
  if (auto marked = set_mark(fd, mark); !marked) return std::unexpected(marked.error());
  auto done = write_mbox_block(job, message, *lead, from, [fd](std::string_view piece) { return write_all(fd, piece); });
  if (done) done = sync_file(fd);
  if (!done) {
    auto back = roll_back(fd, old_size);
    if (back) return std::unexpected(done.error());
    // The next delivery cuts it off: all of it may stand there, but it will come again.
    mark.checksum = ~mark.checksum;
    (void)set_mark(fd, mark);
    return fail(done.error().fault(), done.error().text() + "; and then " + back.error().text(), done.error().sys());
  }
  clear_mark(fd);
  return mark.length;
}

Result<std::uint64_t> deliver_locked(const Job& job, int message, Duration patience) {
  auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto fd = open_mailbox(job.path, job.uid);
    if (!fd) return std::unexpected(fd.error());
    auto left = std::chrono::duration_cast<Duration>(end - std::chrono::steady_clock::now());
    auto lock = MailboxLock::take(fd->get(), job.path, std::max(left, Duration(0)));
    if (!lock) return std::unexpected(lock.error());
    auto there = is_still_there(fd->get(), job.path);
    if (!there) return std::unexpected(there.error());
    if (*there) return append_message(job, message, fd->get());
    if (left <= Duration(0)) return fail(Fault::busy, "the mailbox is being replaced again and again");
  }
}

}  // namespace

std::string from_line(std::string_view sender, std::time_t when) {
  static constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::string who(sender.empty() ? "MAILER-DAEMON" : sender.substr(0, 512));
  for (char& c : who) {
    if (is_control(c) || is_8bit(c) || c == ' ') c = '_';
  }
  struct tm t {};
  ::gmtime_r(&when, &t);
  return fmt::format("From {} {} {} {:2} {:02}:{:02}:{:02} {}\n", who, days[static_cast<std::size_t>(t.tm_wday)],
                     months[static_cast<std::size_t>(t.tm_mon)], t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, t.tm_year + 1900);
}

Answer deliver_mbox(const Job& job, int message, Duration patience) {
  Answer answer;
  answer.serial = job.serial;
  auto written = deliver_locked(job, message, patience);
  if (written) {
    answer.bytes = *written;
    answer.status = Status(250, 2, 0, "delivered to " + job.path);
  } else {
    answer.status = local_trouble(written.error(), job.path);
    answer.sys = written.error().sys();
  }
  return answer;
}

Result<> create_mailbox(const std::string& path, uid_t uid, gid_t gid) {
  auto slash = path.find_last_of('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return fail(Fault::invalid, "no path of a mailbox");
  struct open_how how {};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;   // else the owner of a part of the path could lead root anywhere
  auto directory = path.substr(0, slash + 1);
  UniqueFd parent(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, directory.c_str(), &how, sizeof how)));
  if (!parent) return fail_errno("open " + directory);
  struct stat st {};
  if (::fstat(parent.get(), &st) != 0) return fail_errno("stat " + directory);
  bool shared = (st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0;
  if (st.st_uid != 0 || shared) return fail(Fault::denied, directory + " is not root's own");
  auto file = open_file_at(parent.get(), path.substr(slash + 1), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!file) return file.error().fault() == Fault::exists ? Result<>() : std::unexpected(file.error());
  if (::fchown(file->get(), uid, gid) != 0) {
    auto trouble = Error::from_errno(errno, "change the owner of " + path);
    ::unlinkat(parent.get(), path.c_str() + slash + 1, 0);
    return std::unexpected(trouble);
  }
  return sync_file(parent.get());
}

}  // namespace mansio::deliver
