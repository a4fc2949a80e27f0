// One end of the SOCK_SEQPACKET socketpair of an agent, synchronously: a packet and perhaps a descriptor, whole or not
// at all. For agents and their children; the mail process has its own, on the event loop.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::deliver {

struct Packet {
  std::string bytes;
  UniqueFd fd;        // what came with it, or none
};

struct ChannelPair {
  UniqueFd ours, theirs;
};

// Both ends close-on-exec, with buffers for packets of max_packet bytes.
Result<ChannelPair> make_channel();

// `fd` < 0 for none; it stays the caller's.
Result<> send_packet(int channel, std::string_view bytes, int fd = -1);

// Fault::closed at the end of the peer. A packet that is larger than max_packet or brings more than one descriptor
// is Fault::invalid (the descriptors are closed). Without `wait`, and when none has come, sys() is EAGAIN.
Result<Packet> receive_packet(int channel, bool wait = true);

// Waits for a packet: false when `wait` is over. Fault::closed once the peer of `other` (or -1) has hung up.
Result<bool> is_readable(int channel, std::chrono::milliseconds wait, int other = -1);

}  // namespace mansio::deliver
