#include "spool/segment.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "base/sabotage.hpp"

namespace mansio::spool {
namespace {
// How far a segment is filled with zeros ahead of its batches: rewriting blocks that exist makes fdatasync twice as
// fast as growing the file (see docs/durability.md).
constexpr std::uint64_t zero_ahead = 4 << 20;
}  // namespace

Result<std::shared_ptr<Segment>> Segment::create(const std::string& path, std::uint64_t key, SegmentHeader header) {
  auto fd = open_file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  auto segment = std::shared_ptr<Segment>(new Segment(path, std::move(*fd), key));
  auto done = segment->reuse(header);
  if (done) done = sync_directory(path.substr(0, path.find_last_of('/')));
  if (!done) {
    ::unlink(path.c_str());
    return std::unexpected(done.error());
  }
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::open(const std::string& path, std::uint64_t key) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return fail_errno("segment " + path);
  if (!S_ISREG(st.st_mode)) return fail(Fault::invalid, "not a regular file");
  auto fd = open_file(path, O_RDWR | O_NOFOLLOW);
  if (!fd) return std::unexpected(fd.error());
  std::string raw(segment_header_size, '\0');
  auto read = pread_all(fd->get(), raw.data(), raw.size(), 0);
  if (!read) return std::unexpected(read.error());
  auto header = SegmentHeader::decode(raw);
  if (!header && header.error().fault() == Fault::invalid) {
    // The header is rotten; a first batch that is ours tells the serial, and the messages are not lost with it.
    std::string next(BatchHeader::size, '\0');
    std::optional<BatchHeader> batch;
    if (pread_all(fd->get(), next.data(), next.size(), segment_header_size)) batch = BatchHeader::decode(next, key);
    if (batch) {
      header = SegmentHeader();
      header->serial = batch->serial;
    }
  }
  if (!header) return std::unexpected(header.error());
  auto segment = std::shared_ptr<Segment>(new Segment(path, std::move(*fd), key));
  segment->header_ = *header;
  segment->batches_ = SegmentHeader::unknown_batches;
  segment->zeroed_ = static_cast<std::uint64_t>(st.st_size);
  return segment;
}

Result<> Segment::reuse(SegmentHeader header) {
  auto done = pwrite_all(fd(), header.encode(), 0);
  if (done) done = sync_data(fd());
  if (!done) return done;
  header_ = header;
  end_ = segment_header_size;
  batches_ = 0;
  measure_space();
  return {};
}

Result<> Segment::append(std::span<Outgoing* const> records) {
  BatchHeader batch;
  batch.serial = header_.serial;
  batch.number = batches_ + 1;
  batch.records = static_cast<std::uint32_t>(records.size());
  buffer_.assign(BatchHeader::size, '\0');
  Checksum sums;
  for (Outgoing* record : records) {
    RecordHeader header;
    header.type = record->type;
    header.id = record->id;
    header.length = record->length();
    Checksum sum(header.seed(header_.serial));
    sum.update(record->front);
    sum.update(record->head);
    if (record->content) sum.update(*record->content);
    header.sum = sum.value();
    std::string head = header.encode();
    sums.update(head);
    buffer_ += head;
    record->payload_offset = end_ + buffer_.size();
    buffer_ += record->front;
    buffer_ += record->head;
    if (record->content) buffer_ += *record->content;
    buffer_.append(header.padded() - header.length, '\0');
  }
  batch.length = buffer_.size() - BatchHeader::size;
  batch.sum = sums.value();
  buffer_.replace(0, BatchHeader::size, batch.encode(key_));
  auto done = write_batch(buffer_);
  if (buffer_.capacity() > (1 << 20)) std::string().swap(buffer_);
  return done;
}

Result<> Segment::write_batch(std::string_view bytes) {
  auto done = pwrite_all(fd(), bytes, end_);
  std::uint64_t after = end_ + bytes.size();
  if (done && after > zeroed_) {
    // No space to write ahead is no failure of this batch.
    static const std::string zeros(zero_ahead, '\0');
    zeroed_ = pwrite_all(fd(), zeros, after) ? after + zero_ahead : after;
  }
  if constexpr (sabotage != Sabotage::sync) {
    if (done) done = sync_data(fd());
  }
  if (!done) {
    // D-002, D-003: what was answered with an error must not come back at recovery, not even after a crash of ours.
    const std::string zeros(BatchHeader::size, '\0');
    auto voided = pwrite_all(fd(), zeros, end_);
    if (voided) voided = sync_data(fd());
    return done;
  }
  end_ = after;
  ++batches_;
  measure_space();
  return {};
}

std::uint64_t Segment::measure_space() {
  struct statvfs space {};
  if (::fstatvfs(fd(), &space) == 0) free_space_ = std::uint64_t{space.f_bavail} * space.f_frsize;
  return free_space_;
}

}  // namespace mansio::spool
