#include "sendmail_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/file.hpp"

namespace mansio::sendmail {
namespace {

constexpr timeval patience{300, 0};

Result<> connect_to(int fd, const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  UniqueFd directory;
  std::string address = path;
  if (path.size() >= sizeof name.sun_path) {      // a deep directory: reach the socket through a descriptor of it
    auto slash = path.rfind('/');
    auto opened = open_file(path.substr(0, slash), O_PATH | O_DIRECTORY);
    if (!opened) return std::unexpected(opened.error());
    directory = std::move(*opened);
    address = fmt::format("/proc/self/fd/{}/{}", directory.get(), path.substr(slash + 1));
  }
  if (address.size() >= sizeof name.sun_path) return fail(Fault::too_long, path + ": the name is too long");
  std::memcpy(name.sun_path, address.data(), address.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) return fail_errno("connect to " + path);
  return {};
}

}  // namespace

Result<UniqueFd> connect_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno("socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  auto done = connect_to(fd.get(), path);
  if (!done) return std::unexpected(done.error());
  return fd;
}

Result<> LineSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fail(Fault::timed_out, "the daemon takes no more");
    if (n < 0) return fail(Fault::closed, "the daemon ended the connection", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> LineSocket::read_line(std::size_t limit) {
  for (;;) {
    auto end = buffer_.find('\n', used_);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(used_, end - used_);
      used_ = end + 1;
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    if (buffer_.size() - used_ > limit) return fail(Fault::too_long, "the daemon's answer has too long a line");
    auto more = fill();
    if (!more) return std::unexpected(more.error());
  }
}

Result<> LineSocket::read_bytes(std::uint64_t count, const std::function<void(std::string_view)>& use) {
  while (count > 0) {
    auto size = static_cast<std::size_t>(std::min<std::uint64_t>(count, buffer_.size() - used_));
    std::string_view there = std::string_view(buffer_).substr(used_, size);
    if (there.empty()) {
      auto more = fill();
      if (!more) return more;
      continue;
    }
    use(there);
    used_ += there.size();
    count -= there.size();
  }
  return {};
}

Result<> LineSocket::fill() {
  buffer_.erase(0, used_);
  used_ = 0;
  char piece[16384];
  for (;;) {
    ssize_t n = ::recv(fd_.get(), piece, sizeof piece, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fail(Fault::timed_out, "the daemon doesn't answer");
    if (n <= 0) return fail(Fault::closed, "the daemon ended the connection", n < 0 ? errno : 0);
    buffer_.append(piece, static_cast<std::size_t>(n));
    return {};
  }
}

}  // namespace mansio::sendmail
