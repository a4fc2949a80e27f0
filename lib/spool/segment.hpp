// Segment: one file of the journal. Synchronous: its work runs on the journal's thread; `live` and the shared_ptr's
// count belong to the loop's thread.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "spool/record.hpp"

namespace mansio::spool {

// A record to be written: its payload in pieces, so that envelope, head and content need not be joined first.
struct Outgoing {
  Outgoing(RecordType t, QueueId i) : type(t), id(i) {}
  RecordType type;
  QueueId id;
  std::string front;      // layout and envelope, or the whole of a small record
  std::string head;
  std::shared_ptr<const std::string> content;   // null: none
  std::uint64_t payload_offset = 0;   // given by append
  std::uint64_t length() const noexcept { return front.size() + head.size() + (content ? content->size() : 0); }
};

class Segment {
 public:
  // A new file at `path`: header and name are durable on return.
  static Result<std::shared_ptr<Segment>> create(const std::string& path, std::uint64_t key, SegmentHeader header);
  // An existing one, for reading; Fault::exists when its version is unknown.
  static Result<std::shared_ptr<Segment>> open(const std::string& path, std::uint64_t key);

  // Starts the file anew under another serial. The new header is durable before anything else is overwritten.
  Result<> reuse(SegmentHeader header);

  // Writes the records as one batch and syncs. On failure the batch is void and the segment must not be appended to again.
  Result<> append(std::span<Outgoing* const> records);

  // Free bytes of its file system, asked for now.
  std::uint64_t measure_space();

  int fd() const noexcept { return fd_.get(); }
  const std::string& path() const noexcept { return path_; }
  const SegmentHeader& header() const noexcept { return header_; }
  std::uint64_t end() const noexcept { return end_; }
  std::uint32_t batches() const noexcept { return batches_; }   // durable ones; unknown_batches when opened for reading
  std::uint64_t free_space() const noexcept { return free_space_; }   // of its file system, after the last append

  std::size_t live = 0;     // messages here that are neither finished nor moved

 private:
  Segment(std::string path, UniqueFd fd, std::uint64_t key) : path_(std::move(path)), fd_(std::move(fd)), key_(key) {}
  Result<> write_batch(std::string_view bytes);

  std::string path_;
  UniqueFd fd_;
  std::uint64_t key_;
  SegmentHeader header_;
  std::uint64_t end_ = segment_header_size;
  std::uint64_t zeroed_ = 0;        // bytes known to be allocated and written, so that a sync needs no metadata
  std::uint64_t free_space_ = UINT64_MAX;
  std::uint32_t batches_ = 0;
  std::string buffer_;
};

}  // namespace mansio::spool
