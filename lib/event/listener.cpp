#include "event/listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "event/stream_box.hpp"

namespace mansio::event {

struct Listener::Box {
  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle;
  Loop* loop = nullptr;
  bool unix_socket = false;
  Accepted accepted;
};

Result<UniqueFd> listen_tcp(const std::string& address, std::uint16_t port) {
  sockaddr_storage where{};
  socklen_t size = sizeof(sockaddr_in);
  std::string doing = fmt::format("listen on {}:{}", address, port);
  if (uv_ip4_addr(address.c_str(), port, reinterpret_cast<sockaddr_in*>(&where)) != 0) {
    size = sizeof(sockaddr_in6);
    if (uv_ip6_addr(address.c_str(), port, reinterpret_cast<sockaddr_in6*>(&where)) != 0) {
      return fail(Fault::invalid, doing + ": not an IP address");
    }
    doing = fmt::format("listen on [{}]:{}", address, port);
  }
  UniqueFd fd(::socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(doing);
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (where.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&where), size) != 0 || ::listen(fd.get(), 4096) != 0) {
    return fail_errno(doing);
  }
  return fd;
}

// Does anybody answer at `path`? A socket file whose owner died refuses.
static bool is_dead_socket(const std::string& path, const sockaddr_un& address) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
}

Result<UniqueFd> listen_unix(const std::string& path, unsigned mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(Fault::too_long, "listen on " + path + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  if (is_dead_socket(path, address)) ::unlink(path.c_str());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0 || ::listen(fd.get(), 1024) != 0) {
    return fail_errno("listen on " + path);
  }
  return fd;
}

Result<Listener> Listener::adopt(Loop& loop, UniqueFd fd, bool unix_socket, Accepted accepted) {
  auto* box = new Box;
  box->loop = &loop;
  box->unix_socket = unix_socket;
  box->accepted = std::move(accepted);
  if (unix_socket) uv_pipe_init(loop.raw(), &box->handle.pipe, 0);
  else uv_tcp_init(loop.raw(), &box->handle.tcp);
  box->handle.any.data = box;
  Listener listener(box);
  int failed = unix_socket ? uv_pipe_open(&box->handle.pipe, fd.get()) : uv_tcp_open(&box->handle.tcp, fd.get());
  if (failed != 0) return std::unexpected(Error::from_errno(-failed, "watch a listener"));
  fd.release();
  auto connected = [](uv_stream_t* server, int status) {
    if (status < 0) return;   // out of descriptors for the moment: libuv drops the connection and goes on
    auto* self = static_cast<Box*>(server->data);
    Stream stream(Stream::Box::make(*self->loop, self->unix_socket));
    if (uv_accept(server, &stream.box_->handle.stream) != 0) return;
    if (!self->unix_socket) uv_tcp_nodelay(&stream.box_->handle.tcp, 1);
    self->accepted(std::move(stream));
  };
  failed = uv_listen(&box->handle.stream, 4096, connected);
  if (failed != 0) return std::unexpected(Error::from_errno(-failed, "listen"));
  return listener;
}

Listener::Listener(Listener&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
Listener& Listener::operator=(Listener&& other) noexcept {
  std::swap(box_, other.box_);
  return *this;
}
Listener::~Listener() {
  if (box_ != nullptr) uv_close(&box_->handle.any, [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
}

Endpoint Listener::local() const {
  Endpoint out;
  if (box_->unix_socket) return out;
  sockaddr_storage address{};
  int size = sizeof address;
  uv_tcp_getsockname(&box_->handle.tcp, reinterpret_cast<sockaddr*>(&address), &size);
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    out.port = ntohs(v6.sin6_port);
  } else {
    auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    out.port = ntohs(v4.sin_port);
  }
  out.address = text;
  return out;
}

}  // namespace mansio::event
