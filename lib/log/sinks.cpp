#include "log/sinks.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::log {
namespace {

UniqueFd connect_datagram(const std::string& path) {
  sockaddr_un name{};
  if (path.empty() || path.size() >= sizeof name.sun_path) return {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fd.reset();
  return fd;
}

// Priorities of syslog(3).
int priority(const Event& event) {
  constexpr int critical = 2, warning = 4, info = 6;
  if (const auto* notice = std::get_if<Notice>(&event); notice && notice->panic) return critical;
  return std::holds_alternative<Failure>(event) ? warning : info;
}

const std::string* id_of(const Event& event) {
  return std::visit([](const auto& e) -> const std::string* {
    if constexpr (requires { e.id; }) return &e.id;
    else return nullptr;
  }, event);
}

}  // namespace

bool DatagramSink::send(std::string_view datagram) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!fd_) fd_ = connect_datagram(path_);
    if (!fd_) return false;
    if (::send(fd_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
    if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS) return false;
    fd_.reset();   // the service was restarted
  }
  return false;
}

std::string journal_entry(const Event& event, std::string_view line, std::string_view program) {
  std::string out = fmt::format("MESSAGE={}\nPRIORITY={}\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER={}\n", line, priority(event), program);
  const std::string* id = id_of(event);
  if (id && !id->empty()) out += fmt::format("MANSIO_ID={}\n", *id);
  return out;
}

std::string syslog_entry(std::string_view line, bool urgent, std::string_view program) {
  constexpr int mail = 2 << 3, critical = 2, info = 6;
  return fmt::format("<{}>{}[{}]: {}", mail | (urgent ? critical : info), program, ::getpid(), line);
}

bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat st {};
  if (!stream || ::fstat(STDERR_FILENO, &st) != 0) return false;
  return std::string_view(stream) == fmt::format("{}:{}", st.st_dev, st.st_ino);
}

bool write_stderr(std::string_view lines) {
  constexpr std::size_t piece = 4096;      // PIPE_BUF: what poll's POLLOUT promises to take
  constexpr int patience = 20;             // milliseconds for a slow reader
  while (!lines.empty()) {
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&out, 1, patience) != 1 || !(out.revents & POLLOUT)) return false;
    // Whole lines, where they fit: other processes write there as well.
    std::size_t size = std::min(lines.size(), piece);
    if (auto end = lines.substr(0, size).rfind('\n'); end != std::string_view::npos) size = end + 1;
    ssize_t n = ::write(STDERR_FILENO, lines.data(), size);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) lines.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace mansio::log
