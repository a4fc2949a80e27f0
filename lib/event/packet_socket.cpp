#include "event/packet_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <uv.h>

#include <cstring>
#include <deque>
#include <memory>
#include <utility>

namespace mansio::event {

struct PacketSocket::Box {
  uv_poll_t poll;
  UniqueFd fd;
  Received received;
  Closed closed;
  std::deque<Packet> waiting;
  int watched = 0;
  bool orphan = false;

  // Starting a poll anew costs two epoll_ctl: only when what is waited for has changed.
  void watch() {
    int events = UV_READABLE | (waiting.empty() ? 0 : UV_WRITABLE);
    if (std::exchange(watched, events) == events) return;
    uv_poll_start(&poll, events, [](uv_poll_t* h, int status, int what) {
      static_cast<Box*>(h->data)->ready(status, what);
    });
  }
  void ready(int status, int what);
  bool receive_one();
  bool send_one(const Packet& packet);
};

namespace {

// Sends one packet with an optional descriptor; false and errno when not.
bool send_packet(int socket, std::string_view bytes, int fd) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}  // namespace

bool PacketSocket::Box::receive_one() {
  // One buffer for all packet sockets of this thread: a packet is copied out at its true size.
  static thread_local const std::unique_ptr<char[]> buffer(new char[packet_limit]);
  Packet packet;
  iovec part{buffer.get(), packet_limit};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = ::recvmsg(fd.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) {
    uv_poll_stop(&poll);
    if (auto call = std::exchange(closed, nullptr)) call();
    return false;
  }
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h != nullptr; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
      int got;
      std::memcpy(&got, CMSG_DATA(h), sizeof got);
      packet.fd.reset(got);
    }
  }
  packet.bytes.assign(buffer.get(), static_cast<std::size_t>(n));
  received(std::move(packet));
  return !orphan;
}

bool PacketSocket::Box::send_one(const Packet& packet) { return send_packet(fd.get(), packet.bytes, packet.fd.get()); }

void PacketSocket::Box::ready(int status, int what) {
  if (status < 0 || (what & UV_READABLE) != 0) {
    // A few at a time, so that one busy peer does not hold the loop.
    for (int i = 0; i < 64; ++i) {
      if (!receive_one()) break;
    }
    if (orphan) return;
  }
  while (!waiting.empty() && send_one(waiting.front())) waiting.pop_front();
  if (closed) watch();
}

Result<PacketSocket> PacketSocket::adopt(Loop& loop, UniqueFd fd, Received received, Closed closed) {
  auto* box = new Box;
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  box->fd = std::move(fd);
  box->received = std::move(received);
  box->closed = std::move(closed);
  if (int failed = uv_poll_init(loop.raw(), &box->poll, box->fd.get()); failed != 0) {
    delete box;
    return std::unexpected(Error::from_errno(-failed, "watch a process"));
  }
  box->poll.data = box;
  box->watch();
  return PacketSocket(box);
}

PacketSocket::PacketSocket(PacketSocket&& other) noexcept : box_(std::exchange(other.box_, nullptr)) {}
PacketSocket& PacketSocket::operator=(PacketSocket&& other) noexcept {
  std::swap(box_, other.box_);
  return *this;
}
PacketSocket::~PacketSocket() {
  if (box_ == nullptr) return;
  box_->orphan = true;
  box_->closed = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&box_->poll), [](uv_handle_t* h) { delete static_cast<Box*>(h->data); });
}

Result<> PacketSocket::send(std::string_view bytes, int fd) {
  if (bytes.size() > packet_limit) return fail(Fault::too_long, "packet too large");
  if (bytes.empty()) return fail(Fault::invalid, "an empty packet would look like the end");
  if (box_->waiting.empty() && send_packet(box_->fd.get(), bytes, fd)) return {};
  if (box_->waiting.empty() && errno != EAGAIN && errno != ENOBUFS) return fail_errno("send to a process");
  Packet packet;
  packet.bytes = bytes;
  if (fd >= 0) packet.fd.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (fd >= 0 && !packet.fd) return fail_errno("keep a descriptor to send");
  box_->waiting.push_back(std::move(packet));
  box_->watch();
  return {};
}

Result<std::pair<UniqueFd, UniqueFd>> packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno("socketpair");
  for (int fd : ends) {
    int size = 4 * static_cast<int>(PacketSocket::packet_limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  }
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace mansio::event
