#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace mansio {
namespace {

std::string parent_of(const std::string& path) {
  auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A temporary beside `path`, made ready by `prepare` while it is empty, takes its place once it is whole and durable.
template <class Prepare>
Result<> replace_by(const std::string& path, std::string_view content, mode_t mode, Prepare prepare) {
  std::string temporary = fmt::format("{}.new{}", path, ::getpid());
  ::unlink(temporary.c_str());
  auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  if (!fd) return std::unexpected(fd.error());
  Result<> done = prepare(fd->get());
  if (done) done = write_all(fd->get(), content);
  if (done) done = sync_file(fd->get());
  if (done && ::rename(temporary.c_str(), path.c_str()) != 0) done = fail_errno("rename to " + path);
  if (!done) {
    ::unlink(temporary.c_str());
    return done;
  }
  return sync_directory(parent_of(path));
}

}  // namespace

Result<UniqueFd> open_file_at(int directory, const std::string& name, int flags, mode_t mode) {
  for (;;) {
    int fd = ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EINTR) return fail_errno("open " + name);
  }
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) { return open_file_at(AT_FDCWD, path, flags, mode); }

Result<> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return fail_errno("write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<> pwrite_all(int fd, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return fail_errno("write");
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<> pread_all(int fd, char* buffer, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    ssize_t n = ::pread(fd, buffer, size, static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return fail_errno("read");
    }
    if (n == 0) return fail(Fault::invalid, "read: the file ends early");
    buffer += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Result<std::string> read_fd(int fd, std::size_t limit) {
  std::string out;
  char buffer[16384];
  for (;;) {
    ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0) {
      if (errno == EINTR) continue;
      return fail_errno("read");
    }
    if (n == 0) return out;
    if (out.size() + static_cast<std::size_t>(n) > limit) {
      return fail(Fault::too_long, fmt::format("larger than the {} bytes allowed", limit));
    }
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  auto fd = open_file(path, O_RDONLY | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  auto content = read_fd(fd->get(), limit);
  if (!content) return fail(content.error().fault(), path + ": " + content.error().text(), content.error().sys());
  return content;
}

Result<> sync_data(int fd) {
  if (::fdatasync(fd) != 0) return fail_errno("fdatasync");
  return {};
}

Result<> sync_file(int fd) {
  if (::fsync(fd) != 0) return fail_errno("fsync");
  return {};
}

Result<> sync_directory(const std::string& path) {
  auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  return sync_file(fd->get());
}

Result<> replace_file(const std::string& path, std::string_view content, mode_t mode) {
  return replace_by(path, content, mode, [](int) { return Result<>(); });
}

Result<> replace_file(const std::string& path, std::string_view content, mode_t mode, uid_t owner, gid_t group) {
  return replace_by(path, content, mode & 0600, [&](int fd) -> Result<> {
    if (::fchown(fd, owner, group) != 0) return fail_errno("give the new " + path + " its owner");
    if (::fchmod(fd, mode) != 0) return fail_errno("give the new " + path + " its mode");
    return {};
  });
}

Result<> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return sync_directory(parent_of(path));
  int sys = errno;
  struct stat st {};
  if (sys == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
  return std::unexpected(Error::from_errno(sys, "create directory " + path));
}

}  // namespace mansio
