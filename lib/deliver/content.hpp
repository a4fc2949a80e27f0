// The bytes a mailbox or a command gets: the prefix (our header lines), then the message, read from its segment in
// large blocks and with CRLF turned into LF, as mailboxes on Unix have it. A bare LF, a bare CR and NUL stay as they
// are. A message sent with BODY=BINARYMIME (`binary`) is given byte for byte, its prefix still with LF. In a drop directory
// all is byte for byte, with CRLF.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

// One buffer for all deliveries of a process: agents do one thing at a time.
inline constexpr std::size_t block_size = 256u << 10;

class Content {
 public:
  // `message` is borrowed; `job` must outlive this.
  Content(const Job& job, int message) : job_(job), fd_(message) {}

  // The next block; empty at the end. Valid until the next call on any Content.
  Result<std::string_view> next();

 private:
  const Job& job_;
  int fd_;
  std::uint64_t done_ = 0;       // bytes of the segment that were read
  bool begun_ = false;
  bool held_cr_ = false;         // the last block ended in CR: LF may follow
};

// Turns CRLF into LF within `size` bytes at `data`; a CR at the very end stays. Returns the new size.
std::size_t crlf_to_lf(char* data, std::size_t size) noexcept;

// What went wrong on this machine while a message was being delivered, for the sender and the queue: always 4xx.
// `where` names the mailbox.
Status local_trouble(const Error& error, std::string_view where);

}  // namespace mansio::deliver
