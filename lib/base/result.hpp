// What the world can refuse: Error says what kind of trouble and in words, Result<T> carries it.
// Exceptions are for bugs and out-of-memory alone; everything a disk, a peer or a user can cause is an Error.
// Propagation is two plain lines: `if (!r) return std::unexpected(r.error());` (a macro around co_await
// crashes gcc 12).
#pragma once
#include <cerrno>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace mansio {

enum class Fault : std::uint8_t {
  invalid,     // input breaks a syntax or a limit: trying again won't help
  not_found,
  exists,
  denied,      // permission, ownership or a safety check said no
  system,      // a system call failed: see Error::sys
  full,        // no space, quota, out of descriptors or memory: may pass
  busy,        // locked by somebody else, or over a limit for the moment
  timed_out,
  cancelled,   // we are stopping, or the owner closed the stream
  closed,      // the peer ended the connection
  too_long,    // a line or message past its bound
};

class [[nodiscard]] Error {
 public:
  Error(Fault fault, std::string text, int sys = 0) : text_(std::move(text)), sys_(sys), fault_(fault) {}

  // From errno `sys`; `doing` says what was tried, on what ("open /var/spool/x"). The text becomes
  // "open /var/spool/x: No such file or directory". ENOSPC, EDQUOT, EMFILE and their like become Fault::full.
  static Error from_errno(int sys, std::string doing);

  Fault fault() const noexcept { return fault_; }
  const std::string& text() const noexcept { return text_; }
  int sys() const noexcept { return sys_; }   // errno, or 0

 private:
  std::string text_;
  int sys_;
  Fault fault_;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Fault fault, std::string text, int sys = 0) {
  return std::unexpected<Error>(Error(fault, std::move(text), sys));
}
inline std::unexpected<Error> fail_errno(std::string doing) {
  return std::unexpected<Error>(Error::from_errno(errno, std::move(doing)));
}

}  // namespace mansio
