// The bytes of the journal: segment header, batch header, record header. Pure; little-endian as the machine is
// (a spool does not travel between kinds of machines). lib/spool/STATES.md says what they mean.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "spool/queue_id.hpp"

namespace mansio::spool {

constexpr std::uint32_t format_version = 1;
constexpr std::size_t segment_header_size = 4096;   // a sector of its own, whatever the device's is

struct SegmentHeader {
  std::uint64_t serial = 0;              // grows with each use of any segment
  static constexpr std::uint32_t unknown_batches = UINT32_MAX;   // written by an earlier run: its end may be torn
  std::uint32_t previous_batches = unknown_batches;   // how many durable batches the segment of serial - 1 holds
  std::string encode() const;            // segment_header_size bytes
  static Result<SegmentHeader> decode(std::string_view bytes);
};

struct BatchHeader {
  static constexpr std::size_t size = 48;
  std::uint64_t serial = 0;       // of the segment: a leftover of its earlier use has another
  std::uint32_t number = 0;       // 1, 2, 3… within the segment
  std::uint32_t records = 0;
  std::uint64_t length = 0;       // bytes of the records with their headers and padding
  std::uint64_t sum = 0;          // checksum of the records' checksums, in order
  // `key` is the spool's own random number: what a message's content looks like can't be taken for a batch.
  std::string encode(std::uint64_t key) const;
  static std::optional<BatchHeader> decode(std::string_view bytes, std::uint64_t key);   // nullopt: no whole batch header
};

enum class RecordType : std::uint32_t { message = 1, settled = 2, done = 3, moved = 4 };

struct RecordHeader {
  static constexpr std::size_t size = 40;
  RecordType type = RecordType::done;
  std::uint64_t length = 0;       // of the payload; padded with zeros to a multiple of 8
  std::uint64_t sum = 0;          // checksum of the payload, seeded with type, length, id and the segment's serial
  QueueId id;
  std::string encode() const;
  static std::optional<RecordHeader> decode(std::string_view bytes);
  std::uint64_t seed(std::uint64_t serial) const noexcept;   // a leftover of the segment's earlier use never fits
  std::uint64_t padded() const noexcept { return (length + 7) & ~std::uint64_t{7}; }
};

// How a message record's payload begins: lengths of its parts, which follow in this order: envelope, head (trace
// fields we put in front), content (absent when it lies in large/ID).
struct MessageLayout {
  static constexpr std::size_t size = 24;
  std::uint32_t envelope = 0, head = 0;
  std::uint64_t content = 0;
  bool large = false;
  std::string encode() const;
  static std::optional<MessageLayout> decode(std::string_view bytes);
  std::uint64_t payload() const noexcept { return size + envelope + head + (large ? 0 : content); }
};

}  // namespace mansio::spool
