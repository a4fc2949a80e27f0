#include "receive/pickup_folder.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/file.hpp"
#include "base/text.hpp"
#include "mail/badmail.hpp"

namespace mansio::receive {
namespace {

constexpr const char* taken_directory = ".mansio";
constexpr std::size_t kept_name = 200;          // octets of a name beside the id: names have 255 at most
constexpr std::size_t copy_piece = 256 << 10;

// What programs and editors call a file that isn't whole yet, in lower case.
constexpr std::array<std::string_view, 11> unfinished{".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", ".swo", ".swx", ".lock", ".bak"};

std::string taken_name(const spool::QueueId& id, const std::string& name) { return id.text() + "." + name.substr(0, kept_name); }

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

std::string directory_advice(const std::string& path) {
  return fmt::format("; chown it to the user that mansiod runs as, with mode 3730 or 3733 and the group of those who may put files there: {}", path);
}

// Whoever can replace the directory, or take files of others out of it, could send what isn't theirs.
Result<> check_directory(const std::string& path, const struct stat& st) {
  if (st.st_uid != 0 && st.st_uid != ::geteuid()) {
    return fail(Fault::denied, fmt::format("its owner is uid {}, who could change what others put there", st.st_uid) + directory_advice(path));
  }
  if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
    return fail(Fault::denied, "everybody may write in it, and it has no sticky bit: chmod +t " + path);
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) return fail(Fault::denied, "mansiod may not read it and write in it" + directory_advice(path));
  return {};
}

Result<UniqueFd> open_taken(int directory, const std::string& path) {
  if (::mkdirat(directory, taken_directory, 0700) != 0 && errno != EEXIST) return fail_errno(fmt::format("mkdir {}/{}", path, taken_directory));
  auto fd = open_file_at(directory, taken_directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  struct stat st {};
  if (fd && (::fstat(fd->get(), &st) != 0 || st.st_uid != ::geteuid() || (st.st_mode & 077) != 0)) fd = fail(Fault::denied, "");
  if (!fd) return fail(Fault::denied, fmt::format("{}/{} is not a directory of mansiod's user alone: remove it", path, taken_directory));
  return fd;
}

bool is_member(const passwd& user, const std::string& group) {
  struct group entry {};
  struct group* found = nullptr;
  std::vector<char> buffer(1 << 16);
  int sys = ERANGE;
  while ((sys = ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE && buffer.size() < (8u << 20)) buffer.resize(buffer.size() * 2);
  if (sys != 0 || found == nullptr) return false;
  if (entry.gr_gid == user.pw_gid) return true;
  for (char** member = entry.gr_mem; *member != nullptr; ++member) {
    if (std::string_view(*member) == user.pw_name) return true;
  }
  return false;
}

}  // namespace

bool is_returned_name(std::string_view name) {
  constexpr std::size_t size = spool::QueueId::text_size;
  return name.size() > size && name[size] == '.' && spool::QueueId::parse(name.substr(0, size)).has_value();
}

bool is_letter_name(std::string_view name) {
  if (name.empty() || name[0] == '.' || name[0] == '#' || name.back() == '~') return false;
  std::string lower = to_lower(name);
  return std::ranges::none_of(unfinished, [&](std::string_view end) { return lower.ends_with(end); });
}

FileOwner owner_of_file(uid_t uid, const std::vector<std::string>& users) {
  FileOwner out;
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> buffer(1 << 14);
  int sys = ERANGE;
  while ((sys = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE && buffer.size() < (1u << 20)) buffer.resize(buffer.size() * 2);
  bool known = sys == 0 && found != nullptr;
  out.name = known ? entry.pw_name : fmt::format("uid{}", uid);
  if (users.empty() || uid == 0 || uid == ::geteuid()) return out;
  out.allowed = known && std::ranges::any_of(users, [&](const std::string& user) {
    return user.starts_with('@') ? is_member(entry, user.substr(1)) : user == out.name;
  });
  return out;
}

Result<std::shared_ptr<PickupFolder>> PickupFolder::open(const std::string& path) {
  std::shared_ptr<PickupFolder> folder(new PickupFolder());
  folder->path_ = path;
  auto fd = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd && (fd.error().sys() == ELOOP || fd.error().sys() == ENOTDIR)) return fail(Fault::denied, "it is a symbolic link or no directory: name the directory itself");
  if (!fd && fd.error().sys() == ENOENT) return fail(Fault::denied, "it does not exist: make it");
  if (!fd) return fail(Fault::denied, fd.error().text() + directory_advice(path));
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno("fstat");
  auto checked = check_directory(path, st);
  if (!checked) return std::unexpected(checked.error());
  auto taken = open_taken(fd->get(), path);
  if (!taken) return std::unexpected(taken.error());
  auto lock = open_file_at(taken->get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!lock) return std::unexpected(lock.error());
  if (::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return fail(Fault::busy, "another mansiod, or another pickup of this one, uses it");
  folder->directory_ = std::move(*fd);
  folder->taken_ = std::move(*taken);
  folder->lock_ = std::move(*lock);
  return folder;
}

bool PickupFolder::still_there() const {
  struct stat now {}, ours {};
  if (::lstat(path_.c_str(), &now) != 0 || ::fstat(directory_.get(), &ours) != 0 || !same_file(now, ours)) return false;
  return check_directory(path_, now).has_value();
}

PickupFolder::Listing::Listing(int directory) {
  int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);      // with a position of its own
  directory_ = fd < 0 ? nullptr : ::fdopendir(fd);
  if (directory_ == nullptr && fd >= 0) ::close(fd);
}

PickupFolder::Listing::~Listing() {
  if (directory_ != nullptr) ::closedir(directory_);
}

std::vector<std::string> PickupFolder::Listing::next(std::size_t most) {
  std::vector<std::string> names;
  while (directory_ != nullptr && names.size() < most) {
    dirent* entry = ::readdir(directory_);
    if (entry == nullptr) break;
    if (is_letter_name(entry->d_name)) names.emplace_back(entry->d_name);
  }
  return names;
}

PickupFolder::Found PickupFolder::look(const std::string& name, const Rules& rules) const {
  Found found;
  found.name = name;
  auto end = [&](What what, std::string why) {
    found.what = what;
    found.why = std::move(why);
    return std::move(found);
  };
  if (::fstatat(directory_.get(), name.c_str(), &found.status, AT_SYMLINK_NOFOLLOW) != 0) return found;
  if (!S_ISREG(found.status.st_mode)) return end(What::left, "it is no plain file");
  if (found.status.st_nlink != 1) return end(What::left, "it has another name somewhere (a hard link), so it may be somebody else's");
  found.owner = owner_of_file(found.status.st_uid, rules.users);
  if (!found.owner.allowed) return end(What::rejected, fmt::format("its owner {} is not among the users of this pickup directory", found.owner.name));
  if (static_cast<std::uint64_t>(found.status.st_size) > rules.size_limit) return end(What::rejected, fmt::format("it has {} bytes, which is more than limits.message_size", found.status.st_size));
  auto fd = open_file_at(directory_.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd && fd.error().sys() == ENOENT) return found;
  if (!fd && fd.error().sys() == EACCES) {
    return end(What::left, fmt::format("mansiod may not read it: let {} make it readable for the directory's group (umask 027 or 022), and let the directory hand its group on (chmod g+s)",
                                       found.owner.name));
  }
  if (!fd) return end(What::trouble, fd.error().text());
  struct stat opened {};
  if (::fstat(fd->get(), &opened) != 0) return end(What::trouble, "fstat");
  if (!same_file(opened, found.status) || opened.st_nlink != 1 || opened.st_uid != found.status.st_uid) return end(What::trouble, "it was replaced");
  found.status = opened;
  found.letter = std::make_unique<LetterFile>(std::move(*fd), opened);
  auto read = found.letter->read_header(rules.mail_name, rules.recipients);
  if (!read) return end(read.error().fault() == Fault::invalid ? What::rejected : What::trouble, read.error().text());
  found.what = What::ready;
  return found;
}

// The name may lead to another file by now, of somebody else: then it goes back.
Result<> PickupFolder::take(const Found& found, const spool::QueueId& id) const {
  std::string to = taken_name(id, found.name);
  if (::renameat(directory_.get(), found.name.c_str(), taken_.get(), to.c_str()) != 0) return fail_errno("rename " + escape(found.name));
  struct stat now {};
  bool same = ::fstatat(taken_.get(), to.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 && same_file(now, found.status) && now.st_nlink == 1 &&
              now.st_uid == found.status.st_uid;
  if (same && found.letter) same = found.letter->unchanged().has_value();
  if (same) return {};
  auto back = put_back(id, found.name);
  return fail(Fault::busy, back ? "it changed while it was looked at" : back.error().text());
}

Result<> PickupFolder::sync() const {
  auto done = sync_taken();
  return done ? sync_file(directory_.get()) : done;
}

Result<> PickupFolder::sync_taken() const { return sync_file(taken_.get()); }

Result<> PickupFolder::discard(const spool::QueueId& id, const std::string& name) const {
  if (::unlinkat(taken_.get(), taken_name(id, name).c_str(), 0) == 0 || errno == ENOENT) return {};
  return fail_errno(fmt::format("unlink {}/{}/{}", path_, taken_directory, escape(taken_name(id, name))));
}

Result<> PickupFolder::put_back(const spool::QueueId& id, const std::string& name) const {
  std::string from = taken_name(id, name), to = name.substr(0, kept_name);
  if (to.size() < name.size()) to = from;                // cut off: the id keeps it from meeting another
  if (::renameat2(taken_.get(), from.c_str(), directory_.get(), to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == ENOENT) return {};        // it was done before
  // There is a new one of that name, or the file system can't tell.
  if ((errno == EEXIST || errno == EINVAL) && ::renameat(taken_.get(), from.c_str(), directory_.get(), from.c_str()) == 0) return {};
  return fail_errno(fmt::format("rename {}/{}/{}", path_, taken_directory, escape(from)));
}

namespace {

// Over file systems. What a crash left of the copy is written over.
Result<> copy_file(int directory, const std::string& name, const std::string& to, std::uint64_t limit) {
  auto from = open_file_at(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!from) return std::unexpected(from.error());
  struct stat st {};
  if (::fstat(from->get(), &st) != 0) return fail_errno("fstat");
  auto size = static_cast<std::uint64_t>(st.st_size);
  if (size > limit) return fail(Fault::too_long, "it is too large to be copied to another file system");
  std::string temporary = to + ".tmp", piece;
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  Result<> done;
  for (std::uint64_t at = 0; at < size && done; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(copy_piece, size - at)));
    done = pread_all(from->get(), piece.data(), piece.size(), at);
    if (done) done = write_all(fd->get(), piece);
  }
  if (done) done = sync_file(fd->get());
  if (done && ::rename(temporary.c_str(), to.c_str()) != 0) done = fail_errno("rename " + temporary);
  if (!done) ::unlink(temporary.c_str());
  return done;
}

}  // namespace

Result<> PickupFolder::keep_as_badmail(const std::string& badmail, const spool::QueueId& id, const std::string& name, const std::string& why,
                                       const std::string& owner, std::uint64_t copy_limit) const {
  auto made = make_directory(badmail, 0700);
  if (!made) return made;
  mail::BadmailReason reason;
  reason.id = id.text();
  reason.why = why;
  reason.file = path_ + "/" + name;
  reason.owner = owner;
  std::string base = badmail + "/" + id.text(), from = taken_name(id, name), to = base + ".eml";
  auto done = replace_file(base + ".reason", mail::format_badmail(reason, std::chrono::system_clock::now()), 0600);
  if (!done) return done;
  bool moved = ::renameat(taken_.get(), from.c_str(), AT_FDCWD, to.c_str()) == 0;
  if (!moved && errno != EXDEV) done = fail_errno("rename " + to);
  else if (!moved) done = copy_file(taken_.get(), from, to, copy_limit);
  if (done) done = sync_directory(badmail);
  if (done && !moved) done = discard(id, name);
  if (!done) {
    ::unlink((base + ".reason").c_str());
    return done;
  }
  return sync();
}

std::vector<PickupFolder::Leftover> PickupFolder::leftovers() const {
  std::vector<Leftover> found;
  int fd = ::openat(taken_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
  if (directory == nullptr) {
    if (fd >= 0) ::close(fd);
    return found;
  }
  while (dirent* entry = ::readdir(directory)) {
    std::string_view name = entry->d_name;
    if (!is_returned_name(name)) continue;
    constexpr std::size_t size = spool::QueueId::text_size;
    found.push_back({*spool::QueueId::parse(name.substr(0, size)), std::string(name.substr(size + 1))});
  }
  ::closedir(directory);
  return found;
}

}  // namespace mansio::receive
