#include "deliver/maildir.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/file.hpp"
#include "deliver/content.hpp"

namespace mansio::deliver {
namespace {

// The directory `path` and, when it lies below `home`, the levels between; `home` or the one parent must exist.
Result<> make_maildir(const std::string& path, const std::string& home) {
  bool below = !home.empty() && home != "/" && path.starts_with(home) && path.size() > home.size() && path[home.size()] == '/';
  std::string stands = below ? home : path.substr(0, path.find_last_of('/'));
  struct stat st {};
  if (!stands.empty() && (::stat(stands.c_str(), &st) != 0 || !S_ISDIR(st.st_mode))) {
    int sys = errno;
    return fail(sys == EACCES ? Fault::denied : Fault::not_found, fmt::format("{} {} does not exist or can't be reached", below ? "home directory" : "directory", stands), sys);
  }
  for (auto slash = stands.size(); slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    if (auto made = make_directory(path.substr(0, slash), 0700); !made) return made;
  }
  return {};
}

Result<UniqueFd> open_folder(int base, const char* name) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  auto fd = open_file_at(base, name, flags);
  if (fd || fd.error().fault() != Fault::not_found) return fd;
  if (::mkdirat(base, name, 0700) != 0 && errno != EEXIST) return fail_errno(std::string("create directory ") + name);
  if (auto synced = sync_file(base); !synced) return std::unexpected(synced.error());
  return open_file_at(base, name, flags);
}

Result<OpenMaildir> open_maildir(const std::string& path, const std::string& home) {
  auto base = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!base && base.error().fault() == Fault::not_found) {
    if (auto made = make_maildir(path, home); !made) return std::unexpected(made.error());
    base = open_file(path, O_RDONLY | O_DIRECTORY);
  }
  if (!base) return std::unexpected(base.error());
  OpenMaildir maildir;
  maildir.path = path;
  maildir.base = std::move(*base);
  // tmp last: a reader that sees tmp/ may count on the other two.
  for (auto [name, place] : {std::pair{"cur", &maildir.current}, std::pair{"new", &maildir.fresh}, std::pair{"tmp", &maildir.temporary}}) {
    auto folder = open_folder(maildir.base.get(), name);
    if (!folder) return std::unexpected(folder.error());
    *place = std::move(*folder);
  }
  if (::fstat(maildir.fresh.get(), &maildir.fresh_stat) != 0) return fail_errno("stat new");
  return maildir;
}

// Is `name` in cur/, whatever flags its reader has put behind it ("NAME:2,S")?
Result<bool> is_in_current(int current, const std::string& name) {
  auto again = open_file_at(current, ".", O_RDONLY | O_DIRECTORY);
  if (!again) return std::unexpected(again.error());
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again->get()), ::closedir);
  if (!listing) return fail_errno("read cur");
  again->release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    std::string_view found(entry->d_name);
    if (found.starts_with(name) && (found.size() == name.size() || std::string_view(":;!,").find(found[name.size()]) != std::string_view::npos)) return true;
  }
  if (errno != 0) return fail_errno("read cur");
  return false;
}

// Did an earlier attempt bring this message here? Then its name is made durable too: that attempt may have ended
// between the rename and the sync.
Result<bool> is_delivered(const OpenMaildir& maildir, const std::string& name) {
  struct stat st {};
  int folder = -1;
  if (::fstatat(maildir.fresh.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) {
    folder = maildir.fresh.get();
  } else {
    auto current = is_in_current(maildir.current.get(), name);
    if (!current) return current;
    if (*current) folder = maildir.current.get();
  }
  if (folder < 0) return false;
  if (auto synced = sync_file(folder); !synced) return std::unexpected(synced.error());
  return true;
}

Result<UniqueFd> create_temporary(const OpenMaildir& maildir, const std::string& name) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto file = open_file_at(maildir.temporary.get(), name, flags, 0600);
  if (file || file.error().fault() != Fault::exists) return file;
  // The name belongs to this recipient of this message alone: it is the rest of an attempt that was cut off.
  if (::unlinkat(maildir.temporary.get(), name.c_str(), 0) != 0) return fail_errno("remove tmp/" + name);
  return open_file_at(maildir.temporary.get(), name, flags, 0600);
}

Result<std::uint64_t> write_content(const Job& job, int message, int file) {
  Content content(job, message);
  std::uint64_t written = 0;
  for (;;) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) return written;
    if (auto done = write_all(file, *block); !done) return std::unexpected(done.error());
    written += block->size();
  }
}

// tmp/NAME to new/NAME, never over a file that is there: that one is this very message.
Result<> move_to_new(const OpenMaildir& maildir, const std::string& name) {
  int from = maildir.temporary.get(), to = maildir.fresh.get();
  if (::renameat2(from, name.c_str(), to, name.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL || errno == ENOSYS) {   // a file system that can't do it (NFS)
    if (::linkat(from, name.c_str(), to, name.c_str(), 0) == 0) {
      ::unlinkat(from, name.c_str(), 0);
      return {};
    }
  }
  int sys = errno;
  struct stat st {};
  bool there = sys == EEXIST && ::fstatat(to, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (!there) return std::unexpected(Error::from_errno(sys, "rename to new/" + name));
  ::unlinkat(from, name.c_str(), 0);
  return {};
}

// A delivery on its way: the file in tmp/ from begin() to move().
class Writing {
 public:
  explicit Writing(MaildirDelivery* delivery) : delivery_(delivery) { delivery_->answer.serial = job().serial; }

  const Job& job() const { return *delivery_->job; }
  const std::shared_ptr<const OpenMaildir>& maildir() const { return maildir_; }
  bool under_way() const { return under_way_; }

  // Up to the written file, unless an earlier attempt has been there.
  Result<> begin(const std::shared_ptr<const OpenMaildir>& maildir) {
    maildir_ = maildir;
    if (job().maybe_repeated) {
      auto there = is_delivered(*maildir_, job().name);
      if (!there) return std::unexpected(there.error());
      if (*there) {
        ::unlinkat(maildir_->temporary.get(), job().name.c_str(), 0);     // btrfs may bring the name back when the power went
        delivery_->answer.status = Status(250, 2, 0, "delivered by an earlier attempt");
        return {};
      }
    }
    auto file = create_temporary(*maildir_, job().name);
    if (!file) return std::unexpected(file.error());
    file_ = std::move(*file);
    under_way_ = true;
    auto written = write_content(job(), delivery_->message, file_.get());
    if (!written) return std::unexpected(written.error());
    delivery_->answer.bytes = *written;
    return {};
  }

  // The disk may begin with it while others are written. Only a hint: what counts is sync().
  void hint() const { ::sync_file_range(file_.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }
  Result<> sync() const { return sync_file(file_.get()); }

  Result<> move() {
    auto moved = move_to_new(*maildir_, job().name);
    if (moved) file_.reset();
    return moved;
  }

  void succeed() {
    delivery_->answer.status = Status(250, 2, 0, "delivered to " + job().path);
    under_way_ = false;
  }

  void fail(const Error& error, MaildirCache& cache) {
    if (file_) ::unlinkat(maildir_->temporary.get(), job().name.c_str(), 0);
    cache.drop(job().path);
    delivery_->answer.bytes = 0;
    delivery_->answer.status = local_trouble(error, job().path);
    delivery_->answer.sys = error.sys();
    file_.reset();
    under_way_ = false;
  }

 private:
  MaildirDelivery* delivery_;
  std::shared_ptr<const OpenMaildir> maildir_;
  UniqueFd file_;
  bool under_way_ = false;       // written, not yet answered
};

// The same path leads to the same open Maildir for all of them: it is looked at once.
void begin_all(std::vector<Writing>& writings, MaildirCache& cache) {
  for (auto writing = writings.begin(); writing != writings.end(); ++writing) {
    auto before = std::find_if(writings.begin(), writing, [&](const Writing& one) { return one.under_way() && one.job().path == writing->job().path; });
    Result<std::shared_ptr<const OpenMaildir>> maildir = before != writing ? before->maildir() : cache.open(writing->job().path, writing->job().home);
    Result<> begun;
    if (maildir) begun = writing->begin(*maildir);
    else begun = std::unexpected(maildir.error());
    if (!begun) writing->fail(begun.error(), cache);
    else if (writing->under_way() && writings.size() > 1) writing->hint();
  }
}

// A failure here leaves the files: the next attempt finds them and syncs their names.
void sync_folder(std::vector<Writing>& writings, const OpenMaildir* maildir, MaildirCache& cache) {
  auto synced = sync_file(maildir->fresh.get());
  for (Writing& each : writings) {
    if (!each.under_way() || each.maildir().get() != maildir) continue;
    if (synced) each.succeed();
    else each.fail(synced.error(), cache);
  }
}

}  // namespace

Result<std::shared_ptr<const OpenMaildir>> MaildirCache::open(const std::string& path, const std::string& home) {
  auto it = std::ranges::find_if(open_, [&](const auto& maildir) { return maildir->path == path; });
  if (it != open_.end()) {
    struct stat now {};
    const struct stat& then = (*it)->fresh_stat;
    if (::stat((path + "/new").c_str(), &now) == 0 && now.st_ino == then.st_ino && now.st_dev == then.st_dev) {
      open_.splice(open_.begin(), open_, it);
      return open_.front();
    }
    open_.erase(it);
  }
  auto maildir = open_maildir(path, home);
  if (!maildir) return std::unexpected(maildir.error());
  open_.push_front(std::make_shared<const OpenMaildir>(std::move(*maildir)));
  if (open_.size() > limit_) open_.pop_back();
  return open_.front();
}

void MaildirCache::drop(const std::string& path) {
  std::erase_if(open_, [&](const auto& maildir) { return maildir->path == path; });
}

// No name is moved before all files are synced: a name in new/ is that of a whole message, also after a power cut.
void deliver_maildirs(std::span<MaildirDelivery> deliveries, MaildirCache& cache) {
  std::vector<Writing> writings;
  writings.reserve(deliveries.size());
  for (MaildirDelivery& each : deliveries) writings.emplace_back(&each);
  begin_all(writings, cache);
  for (Writing& each : writings) {
    if (!each.under_way()) continue;
    if (auto synced = each.sync(); !synced) each.fail(synced.error(), cache);
  }
  for (Writing& each : writings) {
    if (!each.under_way()) continue;
    if (auto moved = each.move(); !moved) each.fail(moved.error(), cache);
  }
  for (Writing& each : writings) {
    if (each.under_way()) sync_folder(writings, each.maildir().get(), cache);
  }
}

Answer deliver_maildir(const Job& job, int message, MaildirCache& cache) {
  MaildirDelivery delivery(&job, message);
  deliver_maildirs(std::span(&delivery, 1), cache);
  return std::move(delivery.answer);
}

}  // namespace mansio::deliver
