#include "deliver/packet_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <vector>

#include "deliver/job.hpp"

namespace mansio::deliver {
namespace {

constexpr std::size_t descriptors_taken = 4;   // room for more than one, so that a second is seen and closed

// The descriptors of a message that was received.
std::vector<UniqueFd> descriptors_of(msghdr& message) {
  std::vector<UniqueFd> out;
  for (auto* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
      out.emplace_back(fd);
    }
  }
  return out;
}

}  // namespace

Result<ChannelPair> make_channel() {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0) return fail_errno("socketpair");
  ChannelPair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  int size = 2 * static_cast<int>(max_packet);
  for (int fd : fds) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return pair;
}

Result<> send_packet(int channel, std::string_view bytes, int fd) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  }
  while (::sendmsg(channel, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return fail_errno("send to the delivery agent's peer");
  }
  return {};
}

Result<Packet> receive_packet(int channel) {
  static std::vector<char> buffer(max_packet);
  iovec piece{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_taken * sizeof(int))> control{};
  msghdr message{};
  ssize_t n = 0;
  do {
    message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    n = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("receive");
  auto fds = descriptors_of(message);
  if (n == 0) return fail(Fault::closed, "the peer is gone");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || fds.size() > 1) return fail(Fault::invalid, "a packet larger than any job");
  Packet packet;
  packet.bytes.assign(buffer.data(), static_cast<std::size_t>(n));
  ::explicit_bzero(buffer.data(), static_cast<std::size_t>(n));   // it may have been a password
  if (!fds.empty()) packet.fd = std::move(fds[0]);
  return packet;
}

Result<bool> is_readable(int channel, std::chrono::milliseconds wait) {
  auto end = std::chrono::steady_clock::now() + wait;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd fd{channel, POLLIN, 0};
    int ready = ::poll(&fd, 1, static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0)));
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return fail_errno("poll");
  }
}

}  // namespace mansio::deliver
