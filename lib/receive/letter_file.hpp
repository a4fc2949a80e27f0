// A file with a message as a program wrote it (mail/x_lines.hpp), on its way to the spool: of a pickup directory, or out
// of badmail_directory again. The header is read whole, the body in pieces; line ends become CRLF, NUL is refused.
// LetterFile blocks: for a thread.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "base/unique_fd.hpp"
#include "mail/line_ends.hpp"
#include "mail/x_lines.hpp"
#include "receive/receiver.hpp"

namespace mansio::receive {

class LetterFile {
 public:
  static constexpr std::size_t header_limit = 4u << 20;    // its X lines too
  LetterFile(UniqueFd fd, const struct stat& status) : fd_(std::move(fd)), status_(status) {}

  // Fault::invalid: no letter. First of all.
  Result<> read_header(const mail::Domain& qualify, std::size_t most_recipients);
  const mail::Letter& letter() const noexcept { return letter_; }
  // The content behind the header, piece by piece, in CRLF; "" at its end. Fault::busy: the file changed meanwhile.
  Result<std::string> next();
  bool all_in_memory() const noexcept { return read_ == size(); }     // next() will not wait
  bool eight_bit() const noexcept { return eight_bit_; }              // of what was read so far
  std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status_.st_size); }
  const struct stat& status() const noexcept { return status_; }
  // Is what the descriptor leads to still as it was: size, time of the last write, links?
  Result<> unchanged() const;

 private:
  Result<> read_more();
  UniqueFd fd_;
  struct stat status_;
  mail::LineNormalizer lines_{false};
  mail::Letter letter_;
  std::string text_;                 // read and not yet given
  std::uint64_t read_ = 0;
  bool eight_bit_ = false, ended_ = false;
};

// Who sends it.
struct LetterSender {
  LetterSender() = default;
  std::string user;                  // for the log and Received; its address is the sender's when the letter names none
  std::optional<uid_t> uid;
  std::optional<mail::Address> own;  // it may send as this address alone
  std::string protocol;              // "pickup"
};

// Puts the header in order as for a submission (mail/submission.hpp) and commits. The message is durable and queued
// nowhere: that is the caller's. Fault::invalid and Fault::busy as above; else the spool has told of its trouble.
event::Task<Result<std::shared_ptr<spool::Message>>> store_letter(Receiver* receiver, event::Threads* threads, LetterFile* file, spool::Writer* writer,
                                                                  LetterSender sender);

// The "<=" line of such a message.
void log_letter(log::Logger& log, const spool::Message& message);

}  // namespace mansio::receive
