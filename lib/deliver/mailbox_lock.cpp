#include "deliver/mailbox_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::deliver {
namespace {

using Clock = std::chrono::steady_clock;

// Waits longer each time, never past `end`. False when the time is up.
bool wait_for_lock(Clock::time_point end, std::chrono::milliseconds& pause) {
  auto now = Clock::now();
  if (now >= end) return false;
  std::this_thread::sleep_for(std::min<Clock::duration>(pause, end - now));
  pause = std::min(pause * 2, std::chrono::milliseconds(250));
  return true;
}

// Process locks (not OFD): /var/mail's other programs take these, and an agent has one mailbox open at a time.
Result<> take_fcntl(int fd, Clock::time_point end) {
  std::chrono::milliseconds pause(5);
  for (;;) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &range) == 0) return {};
    if (errno != EACCES && errno != EAGAIN && errno != EINTR) return fail_errno("lock");
    if (!wait_for_lock(end, pause)) return fail(Fault::busy, "the mailbox is locked by another program (fcntl)");
  }
}

// Second line of our own dotlocks: this program on this machine, so the number above it is a process here.
std::string own_mark() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("mansio {}", host.data());
}

std::time_t boot_time() {
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  return std::time(nullptr) - up.tv_sec;
}

// Has the holder gone? A living holder is never disturbed, however old its lock (D-109). The number of our own dead
// agent tells at once; another program's may mean a process of another machine, so there ten minutes must pass too,
// and they decide alone when the lock names nobody.
bool is_stale(const std::string& dotlock) {
  auto fd = open_file(dotlock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat st {};
  if (!fd || ::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  bool old = std::time(nullptr) - st.st_mtime >= std::chrono::seconds(stale_dotlock).count();
  auto content = read_fd(fd->get(), 512);
  auto lines = split(content ? std::string_view(*content) : std::string_view(), '\n');
  auto holder = parse_number(trim(lines[0]));
  if (!holder || *holder == 0 || *holder > 0x7fffffff) return old;
  bool ours = lines.size() > 1 && lines[1] == own_mark();
  if (ours && st.st_mtime < boot_time() - 1) return true;    // whoever has the number now, it isn't the holder
  return (ours || old) && ::kill(static_cast<pid_t>(*holder), 0) != 0 && errno == ESRCH;
}

// A file of our own, linked to the lock's name: link(2) is atomic everywhere, and the count of links tells the truth
// where the answer of link itself was lost (NFS, D-109).
Result<bool> link_dotlock(const std::string& own, const std::string& dotlock) {
  int linked = ::link(own.c_str(), dotlock.c_str());
  int sys = errno;
  struct stat st {};
  if (::stat(own.c_str(), &st) == 0 && st.st_nlink == 2) return true;
  if (linked == 0 || sys == EEXIST) return false;
  return std::unexpected(Error::from_errno(sys, "create " + dotlock));
}

Result<> write_holder(int fd) { return write_all(fd, fmt::format("{}\n{}\n", ::getpid(), own_mark())); }

// A file without a name, so that a crash leaves nothing beside the lock. Nothing: this file system, as NFS, has none.
std::optional<bool> link_nameless(const std::string& dotlock) {
  auto fd = open_file(dotlock.substr(0, dotlock.find_last_of('/') + 1) + ".", O_WRONLY | O_TMPFILE, 0644);
  if (!fd || !write_holder(fd->get())) return std::nullopt;
  auto self = fmt::format("/proc/self/fd/{}", fd->get());
  if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, dotlock.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno == EEXIST) return false;
  return std::nullopt;
}

Result<bool> try_dotlock(const std::string& dotlock) {
  if (auto linked = link_nameless(dotlock)) return *linked;
  // The lock's name and this process: two agents on one machine never share it.
  auto own = fmt::format("{}.{}.{}", dotlock, ::getpid(), std::time(nullptr));
  ::unlink(own.c_str());
  auto fd = open_file(own, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!fd) return std::unexpected(fd.error());
  auto written = write_holder(fd->get());
  Result<bool> taken = written ? link_dotlock(own, dotlock) : std::unexpected(written.error());
  ::unlink(own.c_str());
  return taken;
}

}  // namespace

Result<MailboxLock> MailboxLock::take(int fd, const std::string& path, std::chrono::milliseconds patience) {
  auto end = Clock::now() + patience;
  if (auto locked = take_fcntl(fd, end); !locked) return std::unexpected(locked.error());
  auto dotlock = path + ".lock";
  std::chrono::milliseconds pause(20);
  for (;;) {
    auto taken = try_dotlock(dotlock);
    if (!taken && (taken.error().fault() == Fault::denied || taken.error().sys() == EROFS)) return MailboxLock(std::string());
    if (!taken) return std::unexpected(taken.error());
    if (*taken) return MailboxLock(std::move(dotlock));
    if (is_stale(dotlock) && ::unlink(dotlock.c_str()) == 0) continue;
    if (!wait_for_lock(end, pause)) return fail(Fault::busy, "the mailbox is locked by another program (" + dotlock + ")");
  }
}

// A lock that can't be removed would hold the box for as long as this process lives. From the first day of all times, nobody's: the next
// one takes it away.
MailboxLock::~MailboxLock() {
  if (dotlock_.empty() || ::unlink(dotlock_.c_str()) == 0 || errno == ENOENT) return;
  constexpr timespec first_day[2] = {{1, 0}, {1, 0}};
  ::utimensat(AT_FDCWD, dotlock_.c_str(), first_day, AT_SYMLINK_NOFOLLOW);
}

}  // namespace mansio::deliver
