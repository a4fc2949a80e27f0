#include "spool/shard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::spool {
namespace {

// Killed, and not gone yet: a thread of it may still stand in a sync, and hold what it had open until that has ended.
bool is_dying(const std::string& pid) {
  auto stat = read_file("/proc/" + pid + "/stat", 4096);
  if (!stat) return stat.error().fault() == Fault::not_found;
  auto state = stat->rfind(") ");
  return state != std::string::npos && state + 2 < stat->size() && ((*stat)[state + 2] == 'Z' || (*stat)[state + 2] == 'X');
}

// The lock, at once, or when one who is dying has let go of it; else the holder's pid, "?" when it is not written there.
std::expected<void, std::string> take_lock(int fd) {
  constexpr int patience = 500;            // hundredths of a second
  std::string holder;
  for (int waited = 0; ::flock(fd, LOCK_EX | LOCK_NB) != 0; ++waited) {
    auto text = ::lseek(fd, 0, SEEK_SET) == 0 ? read_fd(fd, 64) : Result<std::string>(std::string());
    holder = text && parse_number(trim(*text)) ? std::string(trim(*text)) : "?";
    if (waited == patience || !is_dying(holder)) return std::unexpected(holder);
    ::poll(nullptr, 0, 10);
  }
  return {};
}

}  // namespace

Result<Shard> Shard::open(const std::string& directory) {
  auto made = make_directory(directory, 0750);
  if (!made) return std::unexpected(made.error());
  auto lock = open_file(directory + "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!lock) return std::unexpected(lock.error());
  if (auto taken = take_lock(lock->get()); !taken) {
    return fail(Fault::busy, fmt::format("{} is in use by another mansiod (pid {}): stop it first, or give this one its own spool_directory",
                                         directory, taken.error()));
  }
  Shard shard(directory, std::move(*lock));
  auto done = shard.read_format();    // first: a spool of another version is not touched
  if (!done) return std::unexpected(done.error());
  std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(shard.lock_.get(), 0) != 0) return fail_errno("lock " + directory);
  done = pwrite_all(shard.lock_.get(), pid, 0);
  for (const auto& sub : {shard.journal(), shard.large(), shard.deferred(), shard.corrupt()}) {
    if (done) done = make_directory(sub, 0700);
  }
  if (done && ::unlink((directory + "/" + empty_mark).c_str()) != 0 && errno != ENOENT) done = fail_errno("unlink " + directory + "/" + empty_mark);
  // A crash may have come between an earlier mkdir and its sync.
  // The one above may be out of reach, for a mail process that has its own shard alone: who took it away has synced it.
  if (auto above = sync_directory(directory + "/.."); done && !above && above.error().fault() != Fault::denied) done = above;
  for (const auto& made_once : {directory, shard.deferred()}) {
    if (done) done = sync_directory(made_once);
  }
  if (done) done = shard.next_generation();
  if (!done) return std::unexpected(done.error());
  return shard;
}

Result<> Shard::mark_empty(const std::string& directory) { return replace_file(directory + "/" + empty_mark, "", 0600); }

Result<> Shard::read_format() {
  std::string path = directory_ + "/format";
  auto text = read_file(path, 200);
  if (!text && text.error().fault() != Fault::not_found) return std::unexpected(text.error());
  if (text) {
    auto words = split(trim(*text), ' ');
    if (words.size() < 2 || words[0] != "mansio-spool") return fail(Fault::exists, path + ": this is no spool of mansio's");
    if (words[1] != "1") {
      return fail(Fault::exists, fmt::format("{}: the spool has format {}, this mansiod knows 1: run the version that wrote it until its queue is empty", path, escape(words[1], 20)));
    }
    auto generation = words.size() == 6 ? parse_number(words[3]) : std::nullopt;
    auto key = words.size() == 6 ? hex_decode(words[5]) : std::nullopt;
    if (!generation || !key) return fail(Fault::exists, path + ": damaged");
    generation_ = *generation;
    key_ = *key;
  } else if (::getrandom(&key_, sizeof key_, 0) != sizeof key_) {
    return fail_errno("getrandom");
  }
  return {};
}

Result<> Shard::next_generation() {
  ++generation_;
  return replace_file(directory_ + "/format", fmt::format("mansio-spool 1 generation {} key {}\n", generation_, hex_encode(key_)), 0600);
}

}  // namespace mansio::spool
