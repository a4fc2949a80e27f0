// A file of deferred/: header line, envelope, head, content, then states. Written whole and durably, then appended to.
// Synchronous, for disk threads. `less` shows it; `ls -l` shows when it is tried next (mtime).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "mail/envelope.hpp"
#include "spool/progress.hpp"
#include "spool/queue_id.hpp"

namespace mansio::spool {

struct DeferredFile {
  explicit DeferredFile(mail::Envelope e) : envelope(std::move(e)) {}
  QueueId id;
  mail::Envelope envelope;
  std::string head;
  Progress progress;
  bool large = false;                 // content lies in large/ID
  std::uint64_t content_offset = 0, content_length = 0;
  std::uint64_t states_end = 0;       // where the next state goes
  std::shared_ptr<UniqueFd> file;
};

// deferred/xy/ID: xy are the last two digits of the id, so that a day's files spread.
std::string deferred_path(const std::string& deferred, const QueueId& id);

// The content, `length` bytes, comes from `fd` at `offset`; with `large` none is copied. Durable on return. After an error
// there is no such file, or, when it `replaces` one, the old or the new.
Result<> write_deferred(const std::string& deferred, const QueueId& id, const mail::Envelope& envelope, std::string_view head,
                        int fd, std::uint64_t offset, std::uint64_t length, bool large, const Progress& progress, bool replaces);

// Fault::invalid when it can't be understood (truncated, other id, wrong checksum).
Result<DeferredFile> read_deferred(const std::string& deferred, const QueueId& id);

// For a listing: envelope, progress and lengths, with one read when the message is small; no checksum of the content.
// `file` and `head` stay empty, and content_length counts the head.
Result<DeferredFile> glance_at_deferred(const std::string& deferred, const QueueId& id);

// Appends a state durably and sets mtime. Gives the new end.
Result<std::uint64_t> append_state(int fd, std::uint64_t end, const Progress& progress);

}  // namespace mansio::spool
