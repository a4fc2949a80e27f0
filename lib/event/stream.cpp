#include "event/stream.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include <cstring>
#include <utility>

#include "event/stream_box.hpp"

namespace mansio::event {

// ---- the box

Stream::Box* Stream::Box::make(Loop& loop, bool unix_socket) {
  auto* box = new Box(loop);
  if (unix_socket) uv_pipe_init(loop.raw(), &box->handle.pipe, 0);
  else uv_tcp_init(loop.raw(), &box->handle.tcp);
  box->handle.any.data = box;
  uv_timer_init(loop.raw(), &box->timer);
  box->timer.data = box;
  return box;
}

void Stream::Box::release(Box* box) {
  box->orphan = true;
  auto closed = [](uv_handle_t* h) {
    auto* self = static_cast<Box*>(h->data);
    if (++self->closed == 2) delete self;
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&box->timer), closed);
  if (box->reset && box->unix_socket() == false) {
    linger now{1, 0};
    ::setsockopt(box->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  uv_close(&box->handle.any, closed);
}

int Stream::Box::fd() const noexcept {
  uv_os_fd_t fd = -1;
  uv_fileno(&handle.any, &fd);
  return fd;
}

void Stream::Box::finish_read(Result<std::string_view> result) {
  read_result = std::move(result);
  std::exchange(reader, {}).resume();
}

void Stream::Box::finish_write(Result<> result) {
  write_result = std::move(result);
  std::exchange(writer, {}).resume();
}

// One timer serves reads and writes and is not re-armed for each: when it fires early it looks for the nearest deadline.
void Stream::Box::arm(Deadline deadline) {
  if (deadline.is_never() || (timer_at <= deadline.at() && uv_is_active(reinterpret_cast<uv_handle_t*>(&timer)))) return;
  timer_at = deadline.at();
  uv_update_time(timer.loop);
  uv_timer_start(&timer, [](uv_timer_t* h) { static_cast<Box*>(h->data)->timer_fired(); },
                 static_cast<std::uint64_t>(deadline.left().count()), 0);
}

void Stream::Box::timer_fired() {
  auto now = std::chrono::steady_clock::now();
  MonotonicTime next = MonotonicTime::max();
  bool read_late = reader && read_deadline <= now, write_late = writer && write_deadline <= now;
  if (reader && !read_late) next = std::min(next, read_deadline);
  if (writer && !write_late) next = std::min(next, write_deadline);
  if (next != MonotonicTime::max()) arm(Deadline(next));
  if (read_late && write_late) {   // the write ends first, the read when the timer fires again at once
    arm(Deadline(now));
    finish_write(fail(Fault::timed_out, "write timed out", ETIMEDOUT));
    return;
  }
  if (read_late) finish_read(fail(Fault::timed_out, "read timed out", ETIMEDOUT));
  else if (write_late) finish_write(fail(Fault::timed_out, "write timed out", ETIMEDOUT));
}

// libuv reads on until told to stop. Stopping after each read would cost two epoll_ctl a read, so it stays on, and is
// stopped only when data comes while nobody reads.
void Stream::Box::start_reading() {
  if (reading) return;
  auto allocate = [](uv_handle_t* h, std::size_t, uv_buf_t* buffer) {
    auto* self = static_cast<Box*>(h->data);
    auto space = self->loop.read_buffer();
    buffer->base = space.data();
    buffer->len = self->reader ? space.size() : 0;   // nobody reads: UV_ENOBUFS comes next
  };
  auto got = [](uv_stream_t* s, ssize_t n, const uv_buf_t* buffer) {
    auto* self = static_cast<Box*>(s->data);
    if (n == 0) return;
    if (n < 0) {
      uv_read_stop(s);
      self->reading = false;
      if (!self->reader) return;   // found again by the next read
      if (n == UV_EOF) self->finish_read(fail(Fault::closed, "connection closed by the peer"));
      else self->finish_read(std::unexpected(Error::from_errno(static_cast<int>(-n), "read")));
      return;
    }
    self->full_read = static_cast<std::size_t>(n) == buffer->len;
    self->finish_read(std::string_view(buffer->base, static_cast<std::size_t>(n)));
  };
  if (uv_read_start(&handle.stream, allocate, got) == 0) reading = true;
}

// ---- reading

bool Stream::ReadAwaiter::await_ready() {
  if (box_->interrupted) {
    box_->read_result = fail(Fault::cancelled, "stopped", ECANCELED);
    return true;
  }
  // While libuv is watching, an earlier read took all there was; ask the socket only when it may hold more.
  if (box_->reading && !box_->full_read) return false;
  auto space = box_->loop.read_buffer();
  ssize_t n = ::recv(box_->fd(), space.data(), space.size(), MSG_DONTWAIT);
  if (n > 0) {
    box_->full_read = static_cast<std::size_t>(n) == space.size();
    box_->read_result = std::string_view(space.data(), static_cast<std::size_t>(n));
    return true;
  }
  box_->full_read = false;
  if (n == 0) box_->read_result = fail(Fault::closed, "connection closed by the peer");
  else if (errno == EAGAIN || errno == EINTR) return false;
  else box_->read_result = fail_errno("read");
  return true;
}

void Stream::ReadAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  box_->reader = waiting;
  box_->read_deadline = deadline_.at();
  box_->arm(deadline_);
  box_->start_reading();
}

Result<std::string_view> Stream::ReadAwaiter::await_resume() { return std::move(box_->read_result); }

// ---- writing

bool Stream::WriteAwaiter::await_ready() {
  while (!bytes_.empty()) {
    uv_buf_t buffer = uv_buf_init(const_cast<char*>(bytes_.data()), static_cast<unsigned>(bytes_.size()));
    int n = uv_try_write(&box_->handle.stream, &buffer, 1);
    if (n == UV_EAGAIN) return false;
    if (n < 0) {
      box_->write_result = std::unexpected(Error::from_errno(-n, "write"));
      return true;
    }
    bytes_.remove_prefix(static_cast<std::size_t>(n));
  }
  box_->write_result = {};
  return true;
}

bool Stream::WriteAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  // The request and its bytes belong to libuv until its callback, however the await ends.
  struct Request {
    uv_write_t write;
    std::string bytes;
    Box* box;
  };
  auto* request = new Request{{}, std::string(bytes_), box_};
  request->write.data = request;
  box_->writer = waiting;
  box_->write_deadline = deadline_.at();
  box_->arm(deadline_);
  uv_buf_t buffer = uv_buf_init(request->bytes.data(), static_cast<unsigned>(request->bytes.size()));
  auto written = [](uv_write_t* w, int status) {
    auto* done = static_cast<Request*>(w->data);
    Box* box = done->box;
    delete done;
    if (status == UV_ECANCELED || box->orphan || !box->writer) return;
    if (status < 0) box->finish_write(std::unexpected(Error::from_errno(-status, "write")));
    else box->finish_write({});
  };
  int failed = uv_write(&request->write, &box_->handle.stream, &buffer, 1, written);
  if (failed == 0) return true;
  delete request;      // no callback will come
  box_->writer = {};
  box_->write_result = std::unexpected(Error::from_errno(-failed, "write"));
  return false;
}

Result<> Stream::WriteAwaiter::await_resume() { return std::move(box_->write_result); }

// ---- the stream

Result<Stream> Stream::adopt(Loop& loop, UniqueFd fd, bool unix_socket) {
  Box* box = Box::make(loop, unix_socket);
  int failed = unix_socket ? uv_pipe_open(&box->handle.pipe, fd.get()) : uv_tcp_open(&box->handle.tcp, fd.get());
  Stream stream(box);
  if (failed != 0) return std::unexpected(Error::from_errno(-failed, "watch a connection"));
  fd.release();
  if (!unix_socket) uv_tcp_nodelay(&box->handle.tcp, 1);
  return stream;
}

Stream::Stream(Stream&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
Stream& Stream::operator=(Stream&& other) noexcept {
  std::swap(box_, other.box_);
  return *this;
}
Stream::~Stream() {
  if (box_ != nullptr) Box::release(box_);
}

std::string_view Stream::read_now() const noexcept {
  auto space = box_->loop.read_buffer();
  ssize_t n = ::recv(box_->fd(), space.data(), space.size(), MSG_DONTWAIT);
  return n > 0 ? std::string_view(space.data(), static_cast<std::size_t>(n)) : std::string_view();
}

bool Stream::input_waiting() const noexcept {
  char byte;
  return ::recv(box_->fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
}

bool Stream::quiet() const noexcept {
  char byte;
  return ::recv(box_->fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR);
}

void Stream::interrupt() {
  box_->interrupted = true;
  if (box_->reader) box_->finish_read(fail(Fault::cancelled, "stopped", ECANCELED));
}
void Stream::abort() {
  box_->interrupted = true;
  // What is resumed may destroy the stream: nothing after it. One coroutine reads and writes, so only one can wait.
  if (box_->writer) box_->finish_write(fail(Fault::cancelled, "stopped", ECANCELED));
  else if (box_->reader) box_->finish_read(fail(Fault::cancelled, "stopped", ECANCELED));
}
void Stream::clear_interrupt() noexcept { box_->interrupted = false; }
void Stream::shutdown() noexcept { ::shutdown(box_->fd(), SHUT_WR); }
void Stream::reset_on_close() noexcept { box_->reset = true; }

static Endpoint to_endpoint(const sockaddr_storage& address) {
  Endpoint out;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    out.port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    else inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    out.port = ntohs(v6.sin6_port);
  }
  out.address = text;
  return out;
}

Endpoint Stream::peer() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(box_->fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return to_endpoint(address);
}

Endpoint Stream::local() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(box_->fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return to_endpoint(address);
}

Result<PeerCredentials> Stream::credentials() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(box_->fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return fail_errno("peer credentials");
  PeerCredentials out;
  out.pid = peer.pid;
  out.uid = peer.uid;
  out.gid = peer.gid;
  return out;
}

namespace {

struct ConnectAwaiter {
  std::coroutine_handle<>* slot;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { *slot = waiting; }
  void await_resume() const noexcept {}
};

bool to_sockaddr(const Endpoint& to, sockaddr_storage& out) {
  if (uv_ip4_addr(to.address.c_str(), to.port, reinterpret_cast<sockaddr_in*>(&out)) == 0) return true;
  return uv_ip6_addr(to.address.c_str(), to.port, reinterpret_cast<sockaddr_in6*>(&out)) == 0;
}

}  // namespace

// The connection's completion comes as a finished write.
void Stream::connected(uv_connect_s* request, int status) {
  auto* box = static_cast<Box*>(request->data);
  delete request;
  if (box->orphan || !box->writer) return;
  if (status < 0) box->finish_write(std::unexpected(Error::from_errno(-status, "connect")));
  else box->finish_write({});
}

Task<Result<Stream>> Stream::connect(Loop& loop, Endpoint to, std::string source, Deadline deadline) {
  sockaddr_storage address{}, from{};
  if (!to_sockaddr(to, address)) co_return fail(Fault::invalid, "no IP address: " + to.address);
  Box* box = Box::make(loop, false);
  Stream stream(box);
  if (!source.empty()) {
    Endpoint local;
    local.address = source;
    if (!to_sockaddr(local, from)) co_return fail(Fault::invalid, "no IP address: " + source);
    int bound = uv_tcp_bind(&box->handle.tcp, reinterpret_cast<sockaddr*>(&from), 0);
    if (bound != 0) co_return std::unexpected(Error::from_errno(-bound, "connect from " + source));
  }
  // The request outlives the stream when the caller gives up: its callback looks at the box first.
  auto* request = new uv_connect_t;
  request->data = box;
  int failed = uv_tcp_connect(request, &box->handle.tcp, reinterpret_cast<sockaddr*>(&address), connected);
  if (failed != 0) {
    delete request;
    co_return std::unexpected(Error::from_errno(-failed, "connect"));
  }
  box->write_deadline = deadline.at();
  box->arm(deadline);
  ConnectAwaiter wait{&box->writer};
  co_await wait;
  auto result = std::move(box->write_result);
  if (!result) co_return std::unexpected(result.error());
  uv_tcp_nodelay(&box->handle.tcp, 1);
  co_return std::move(stream);
}

Task<Result<Stream>> Stream::connect(Loop& loop, Endpoint to, Deadline deadline) {
  return connect(loop, std::move(to), std::string(), deadline);
}

Task<Result<Stream>> Stream::connect_unix(Loop& loop, std::string path, Deadline deadline) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) co_return fail(Fault::too_long, "connect " + path + ": the path is too long for a socket");
  Box* box = Box::make(loop, true);
  Stream stream(box);
  auto* request = new uv_connect_t;
  request->data = box;
  uv_pipe_connect(request, &box->handle.pipe, path.c_str(), connected);
  box->write_deadline = deadline.at();
  box->arm(deadline);
  ConnectAwaiter wait{&box->writer};
  co_await wait;
  auto result = std::move(box->write_result);
  if (!result) co_return std::unexpected(Error(result.error().fault(), result.error().text() + " " + path, result.error().sys()));
  co_return std::move(stream);
}

}  // namespace mansio::event
