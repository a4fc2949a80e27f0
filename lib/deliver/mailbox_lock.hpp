// The lock on an mbox file that every Unix mail program understands: fcntl first, then the dotlock FILE.lock. A
// program that honours either is kept out. Both are waited for within one bound (S-105).
// The dotlock is left out when the directory may not be written by the mailbox's owner, as /var/mail is on Debian
// (root:mail 2775): mail readers there come with fcntl or a set-gid helper, and fcntl alone stands between us.
#pragma once
#include <chrono>
#include <string>

#include "base/result.hpp"

namespace mansio::deliver {

class MailboxLock {
 public:
  // `fd` is the open mailbox `path`, for writing. Fault::busy when others hold the lock for all of `patience`.
  static Result<MailboxLock> take(int fd, const std::string& path, std::chrono::milliseconds patience);
  MailboxLock(MailboxLock&& other) noexcept : dotlock_(std::move(other.dotlock_)) { other.dotlock_.clear(); }
  MailboxLock& operator=(MailboxLock&&) = delete;
  ~MailboxLock();     // removes the dotlock; the fcntl lock goes with the descriptor

 private:
  explicit MailboxLock(std::string dotlock) : dotlock_(std::move(dotlock)) {}
  std::string dotlock_;   // "" for none
};

// From this age on a dotlock whose process is gone, or that names none, is taken away.
inline constexpr std::chrono::minutes stale_dotlock{10};

}  // namespace mansio::deliver
