#include "event/datagram.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <utility>

namespace mansio::event {

// Lives until both handles' close callbacks ran.
struct Datagram::Box {
  explicit Box(Loop& l) : loop(l), result(std::string_view()) {}

  int watch(Deadline deadline);
  void ready(int status);
  void finish(Result<std::string_view> received);   // resumes: touch nothing after it

  Loop& loop;
  UniqueFd fd;
  uv_poll_t poll;
  uv_timer_t timer;
  std::coroutine_handle<> receiver;
  Result<std::string_view> result;
  int closed = 0;
  bool interrupted = false;
};

int Datagram::Box::watch(Deadline until) {
  auto readable = [](uv_poll_t* h, int status, int) { static_cast<Box*>(h->data)->ready(status); };
  if (int failed = uv_poll_start(&poll, UV_READABLE, readable); failed != 0) return failed;
  if (until.is_never()) return 0;
  auto late = [](uv_timer_t* h) {
    static_cast<Box*>(h->data)->finish(fail(Fault::timed_out, "receive timed out", ETIMEDOUT));
  };
  uv_update_time(loop.raw());
  return uv_timer_start(&timer, late, static_cast<std::uint64_t>(until.left().count()), 0);
}

void Datagram::Box::ready(int status) {
  if (status < 0) return finish(std::unexpected(Error::from_errno(-status, "receive")));
  auto space = loop.read_buffer();
  ssize_t n = ::recv(fd.get(), space.data(), space.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;   // e.g. a wrong checksum: dropped after all
  if (n < 0) return finish(fail_errno("receive"));
  finish(std::string_view(space.data(), static_cast<std::size_t>(n)));
}

void Datagram::Box::finish(Result<std::string_view> received) {
  uv_poll_stop(&poll);
  uv_timer_stop(&timer);
  result = std::move(received);
  std::exchange(receiver, {}).resume();
}

Result<Datagram> Datagram::connect(Loop& loop, const Endpoint& to) {
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in);
  if (uv_ip4_addr(to.address.c_str(), to.port, reinterpret_cast<sockaddr_in*>(&address)) != 0) {
    size = sizeof(sockaddr_in6);
    if (uv_ip6_addr(to.address.c_str(), to.port, reinterpret_cast<sockaddr_in6*>(&address)) != 0) {
      return fail(Fault::invalid, "no IP address: " + to.address);
    }
  }
  UniqueFd fd(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno("UDP socket");
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return fail_errno("UDP socket to " + to.address);
  }
  auto* box = new Box(loop);
  if (int failed = uv_poll_init(loop.raw(), &box->poll, fd.get()); failed != 0) {
    delete box;
    return std::unexpected(Error::from_errno(-failed, "watch a UDP socket"));
  }
  box->fd = std::move(fd);
  box->poll.data = box;
  uv_timer_init(loop.raw(), &box->timer);
  box->timer.data = box;
  return Datagram(box);
}

Datagram::Datagram(Datagram&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
Datagram& Datagram::operator=(Datagram&& other) noexcept {
  std::swap(box_, other.box_);
  return *this;
}
Datagram::~Datagram() {
  if (box_ == nullptr) return;
  auto closed = [](uv_handle_t* h) {
    auto* self = static_cast<Box*>(h->data);
    if (++self->closed == 2) delete self;
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&box_->poll), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&box_->timer), closed);
}

Result<> Datagram::send(std::string_view bytes) {
  ssize_t n = ::send(box_->fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) return fail_errno("send");
  return {};
}

bool Datagram::ReceiveAwaiter::await_ready() {
  if (box_->interrupted) box_->result = fail(Fault::cancelled, "stopped", ECANCELED);
  return box_->interrupted;
}

bool Datagram::ReceiveAwaiter::await_suspend(std::coroutine_handle<> waiting) {
  int failed = box_->watch(deadline_);
  if (failed == 0) {
    box_->receiver = waiting;
    return true;
  }
  uv_poll_stop(&box_->poll);
  box_->result = std::unexpected(Error::from_errno(-failed, "watch a UDP socket"));
  return false;
}

Result<std::string_view> Datagram::ReceiveAwaiter::await_resume() { return std::move(box_->result); }

void Datagram::interrupt() {
  box_->interrupted = true;
  if (box_->receiver) box_->finish(fail(Fault::cancelled, "stopped", ECANCELED));
}

}  // namespace mansio::event
