// PacketSocket: a SOCK_SEQPACKET socketpair end on the loop, for talking to another process of ours: whole packets,
// each with at most one descriptor (SCM_RIGHTS). Sends never wait: what the kernel doesn't take is queued.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "event/loop.hpp"

namespace mansio::event {

class PacketSocket {
 public:
  static constexpr std::size_t packet_limit = 212992;   // bytes; larger sends are refused

  struct Packet {
    std::string bytes;
    UniqueFd fd;
  };
  using Received = std::function<void(Packet)>;
  using Closed = std::function<void()>;   // the other process is gone; called once

  static Result<PacketSocket> adopt(Loop& loop, UniqueFd fd, Received received, Closed closed);
  PacketSocket(PacketSocket&& other) noexcept;
  PacketSocket& operator=(PacketSocket&& other) noexcept;
  ~PacketSocket();

  // `fd` (or -1) is duplicated to the other side; the caller keeps its own, and must keep it open until the packet went.
  Result<> send(std::string_view bytes, int fd);

 private:
  struct Box;
  explicit PacketSocket(Box* box) noexcept : box_(box) {}
  Box* box_;
};

// A connected pair, both ends close-on-exec, buffers large enough for packet_limit.
Result<std::pair<UniqueFd, UniqueFd>> packet_pair();

}  // namespace mansio::event
