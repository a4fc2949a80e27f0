#include "event/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <utility>

#include "event/stream_box.hpp"
#include "event/watch.hpp"

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
  // Of a shared one: libuv's own handle would take all that there are.
  UniqueFd shared, spare;
  std::optional<Watch> watch;
  Crowded crowded;
  uv_timer_t pause;
  bool paused = false;
  void ready();
  void accept_one();
};

// What others have not taken after a pause is ours all the same.
void Listener::Box::ready() {
  constexpr std::uint64_t pause_milliseconds = 3;
  if (!paused && crowded && crowded()) {
    watch->want(0);
    uv_timer_start(&pause, [](uv_timer_t* timer) {
      auto* self = static_cast<Box*>(timer->data);
      self->paused = true;
      self->watch->want(Watch::readable);
    }, pause_milliseconds, 0);
    return;
  }
  paused = false;
  accept_one();
}

// Out of descriptors the connection is taken and closed, as libuv does: one that waits would wake us for ever.
void Listener::Box::accept_one() {
  UniqueFd fd(::accept4(shared.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd && (errno == EMFILE || errno == ENFILE)) {
    spare.reset();
    fd.reset(::accept4(shared.get(), nullptr, nullptr, SOCK_CLOEXEC));
    fd.reset();
    spare.reset(::open("/", O_RDONLY | O_CLOEXEC));
  }
  if (!fd) return;         // another process was faster
  auto stream = Stream::adopt(*loop, std::move(fd), unix_socket);
  if (stream) accepted(std::move(*stream));
}

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

Result<Listener> Listener::adopt_shared(Loop& loop, UniqueFd fd, bool unix_socket, Accepted accepted, Crowded crowded) {
  int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno("watch a listener");
  auto* box = new Box;
  uv_timer_init(loop.raw(), &box->pause);
  box->pause.data = box;
  box->shared = std::move(fd);
  Listener listener(box);
  box->loop = &loop;
  box->unix_socket = unix_socket;
  box->accepted = std::move(accepted);
  box->crowded = std::move(crowded);
  box->spare.reset(::open("/", O_RDONLY | O_CLOEXEC));
  auto watch = Watch::start(loop, box->shared.get(), Watch::readable, [box](unsigned) { box->ready(); });
  if (!watch) return std::unexpected(watch.error());
  box->watch.emplace(std::move(*watch));
  return listener;
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
  if (box_ != nullptr && box_->shared) {
    box_->watch.reset();
    box_->shared.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&box_->pause), [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
    return;
  }
  if (box_ != nullptr) uv_close(&box_->handle.any, [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
}

Endpoint Listener::local() const {
  Endpoint out;
  if (box_->unix_socket) return out;
  sockaddr_storage address{};
  int size = sizeof address;
  socklen_t length = sizeof address;
  if (box_->shared) ::getsockname(box_->shared.get(), reinterpret_cast<sockaddr*>(&address), &length);
  else uv_tcp_getsockname(&box_->handle.tcp, reinterpret_cast<sockaddr*>(&address), &size);
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
