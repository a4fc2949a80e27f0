// A blocking connection to one of the daemon's sockets, read by lines and by lengths. Every wait is bounded.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::sendmail {

// Fault::not_found or denied when nobody listens or we may not; else what connect(2) said.
Result<UniqueFd> connect_unix(const std::string& path);

class LineSocket {
 public:
  explicit LineSocket(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<> send(std::string_view bytes);                        // all of it, or Fault::closed, timed_out
  // Without its line end. Fault::closed at the end, too_long past `limit`.
  Result<std::string> read_line(std::size_t limit);
  // The next `count` octets, whatever they are, in pieces.
  Result<> read_bytes(std::uint64_t count, const std::function<void(std::string_view)>& use);

 private:
  Result<> fill();            // something more into buffer_, which holds only what is unused then

  UniqueFd fd_;
  std::string buffer_;
  std::size_t used_ = 0;      // of buffer_
};

}  // namespace mansio::sendmail
