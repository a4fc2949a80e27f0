#include "deliver/packet_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>
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

Result<Packet> receive_packet(int channel, bool wait) {
  static const std::unique_ptr<char[]> buffer(new char[max_packet]);      // not filled with zeros: most of it is never touched
  iovec piece{buffer.get(), max_packet};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_taken * sizeof(int))> control{};
  msghdr message{};
  ssize_t n = 0;
  do {
    message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    n = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("receive");
  auto fds = descriptors_of(message);
  if (n == 0) return fail(Fault::closed, "the peer is gone");
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || fds.size() > 1) return fail(Fault::invalid, "a packet larger than any job");
  Packet packet;
  packet.bytes.assign(buffer.get(), static_cast<std::size_t>(n));
  ::explicit_bzero(buffer.get(), static_cast<std::size_t>(n));   // it may have been a password
  if (!fds.empty()) packet.fd = std::move(fds[0]);
  return packet;
}

Result<bool> is_readable(int channel, std::chrono::milliseconds wait, int other) {
  auto end = std::chrono::steady_clock::now() + wait;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    std::array<pollfd, 2> fds{pollfd{channel, POLLIN, 0}, pollfd{other, 0, 0}};
    int ready = ::poll(fds.data(), fds.size(), static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0)));
    if (ready > 0 && fds[0].revents == 0) return fail(Fault::closed, "nobody waits any more");
    if (ready >= 0) return ready > 0;
    if (errno != EINTR) return fail_errno("poll");
  }
}

}  // namespace mansio::deliver
