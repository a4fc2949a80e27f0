#include "queue/badmail.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/file.hpp"
#include "base/unix_time.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t copy_octets = 64 << 10;

Result<> write_message(int fd, const spool::Message& message) {
  auto head = write_all(fd, message.head);
  if (!head) return head;
  std::string buffer(copy_octets, '\0');
  for (std::uint64_t done = 0; done < message.content.length;) {
    auto size = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), message.content.length - done));
    auto read = pread_all(message.content.fd, buffer.data(), size, message.content.offset + done);
    if (!read) return read;
    auto written = write_all(fd, std::string_view(buffer).substr(0, size));
    if (!written) return written;
    done += size;
  }
  return sync_file(fd);
}

// Beside its place, then renamed: half a message is never seen. What a crash left of the temporary file is written over.
Result<> keep_message(const std::string& path, const spool::Message& message) {
  std::string temporary = path + ".tmp";
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  auto written = write_message(fd->get(), message);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0) written = fail_errno("rename " + temporary);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace

Result<> keep_badmail(const std::string& directory, const spool::Message& message, mail::Envelope envelope, std::string_view reason) {
  auto made = make_directory(directory, 0700);
  if (!made) return made;
  std::string base = directory + "/" + message.id.text();
  auto kept = keep_message(base + ".eml", message);
  if (!kept) return kept;
  mail::BadmailReason why;
  why.id = message.id.text();
  why.why = reason;
  why.envelope = std::move(envelope);
  return replace_file(base + ".reason", mail::format_badmail(why, std::chrono::system_clock::now()), 0600);      // which syncs the directory, for both names
}

// ---- for an admin

namespace {

constexpr std::size_t reason_limit = 64u << 20;      // its envelope may have many recipients
constexpr std::string_view message_end = ".eml";

std::string badmail_path(const std::string& directory, const spool::QueueId& id, const char* end) { return directory + "/" + id.text() + end; }

}  // namespace

std::vector<spool::QueueId> badmail_ids(const std::string& directory) {
  std::vector<spool::QueueId> ids;
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return ids;
  while (dirent* entry = ::readdir(dir)) {
    std::string_view name = entry->d_name;
    if (!name.ends_with(message_end)) continue;
    if (auto id = spool::QueueId::parse(name.substr(0, name.size() - message_end.size()))) ids.push_back(*id);
  }
  ::closedir(dir);
  std::ranges::sort(ids);
  return ids;
}

std::optional<BadmailEntry> look_at_badmail(const std::string& directory, const spool::QueueId& id) {
  struct stat st {};
  if (::lstat(badmail_path(directory, id, ".eml").c_str(), &st) != 0) return std::nullopt;
  BadmailEntry entry;
  entry.size = static_cast<std::uint64_t>(st.st_size);
  entry.kept = from_unix(st.st_ctim.tv_sec);
  auto fd = open_file(badmail_path(directory, id, ".reason"), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return entry;
  if (::fstat(fd->get(), &st) == 0) entry.kept = from_unix(st.st_mtim.tv_sec);
  auto text = read_fd(fd->get(), reason_limit);
  auto reason = text ? mail::parse_badmail(*text) : fail(Fault::invalid, "");
  if (reason) entry.reason = std::move(*reason);
  return entry;
}

Result<UniqueFd> take_badmail(const std::string& directory, const spool::QueueId& id) {
  auto fd = open_file(badmail_path(directory, id, ".eml"), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd && fd.error().sys() == ENOENT) return fail(Fault::not_found, "is not there");
  if (!fd) return fd;
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0 || !S_ISREG(st.st_mode)) return fail(Fault::invalid, "is no plain file");
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return fail(Fault::busy, "is in somebody else's hands");
  // Whoever had the lock before may have removed it.
  if (::fstat(fd->get(), &st) != 0 || st.st_nlink == 0) return fail(Fault::not_found, "is not there");
  return fd;
}

Result<> remove_badmail(const std::string& directory, const spool::QueueId& id) {
  for (const char* end : {".eml", ".reason"}) {
    std::string path = badmail_path(directory, id, end);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("unlink " + path);
  }
  return sync_directory(directory);
}

}  // namespace mansio::queue
