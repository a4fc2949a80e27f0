#include "spool/scan.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/file.hpp"

namespace mansio::spool {
namespace {

constexpr std::uint64_t piece_size = 65536;      // of a payload read at once
constexpr std::uint64_t small_limit = 4 << 20;   // of a record that is no message, kept in memory (a million recipients)

class Scanner {
 public:
  Scanner(int fd, std::uint64_t key, std::uint64_t serial, std::uint64_t size)
      : fd_(fd), key_(key), serial_(serial), size_(size), window_(std::string(1 << 20, '\0')) {}

  std::optional<BatchHeader> batch_at(std::uint64_t at);
  // The records of a batch; `whole` is false when any checksum is wrong. Those that are right are in `records` all the same.
  bool read_batch(std::uint64_t at, const BatchHeader& batch, std::vector<FoundRecord>& records);
  // The next batch of this segment's present use at or after `at` with a number of at least `number`.
  std::optional<std::uint64_t> later_batch(std::uint64_t at, std::uint32_t number);

  // Records from `at` to `end` without the guidance of a batch header, as far as they are whole.
  void read_loose(std::uint64_t at, std::uint64_t end, std::vector<FoundRecord>& records);
  bool unreadable() const noexcept { return unreadable_; }    // the disk refused to read something

 private:
  std::string bytes(std::uint64_t at, std::size_t length);
  void read_pages(std::uint64_t at, std::size_t length);
  std::uint64_t payload_sum(const RecordHeader& record, std::uint64_t at, std::string& start);

  int fd_;
  std::uint64_t key_, serial_, size_;
  std::string window_;
  std::uint64_t window_at_ = 0;
  std::size_t window_size_ = 0;
  bool unreadable_ = false;
};

// `length` bytes at `at` (fewer at the end of the file), through a window so that scanning is not a call a record.
std::string Scanner::bytes(std::uint64_t at, std::size_t length) {
  if (at >= size_) return {};
  length = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - at));
  if (at < window_at_ || at + length > window_at_ + window_size_) {
    std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(window_.size(), size_ - at));
    if (!pread_all(fd_, window_.data(), want, at)) read_pages(at, want);
    window_at_ = at;
    window_size_ = want;
    length = std::min(length, want);
  }
  return window_.substr(static_cast<std::size_t>(at - window_at_), length);
}

// A disk that can't read one page still reads the others; zeros stand for what it can't.
void Scanner::read_pages(std::uint64_t at, std::size_t length) {
  constexpr std::size_t page = 4096;
  for (std::size_t done = 0; done < length; done += page) {
    std::size_t piece = std::min(page, length - done);
    if (pread_all(fd_, window_.data() + done, piece, at + done)) continue;
    std::fill_n(window_.data() + done, piece, '\0');
    unreadable_ = true;
  }
}

std::optional<BatchHeader> Scanner::batch_at(std::uint64_t at) {
  auto batch = BatchHeader::decode(bytes(at, BatchHeader::size), key_);
  if (!batch || batch->serial != serial_ || batch->length > size_ || at + BatchHeader::size + batch->length > size_) return std::nullopt;
  return batch;
}

std::uint64_t Scanner::payload_sum(const RecordHeader& record, std::uint64_t at, std::string& start) {
  Checksum sum(record.seed(serial_));
  std::uint64_t keep = record.type == RecordType::message ? MessageLayout::size : small_limit;
  for (std::uint64_t done = 0; done < record.length;) {
    auto piece = bytes(at + done, static_cast<std::size_t>(std::min<std::uint64_t>(record.length - done, piece_size)));
    if (piece.empty()) return ~record.sum;
    if (start.size() < keep) start += piece.substr(0, static_cast<std::size_t>(keep - start.size()));
    sum.update(piece);
    done += piece.size();
  }
  return sum.value();
}

bool Scanner::read_batch(std::uint64_t at, const BatchHeader& batch, std::vector<FoundRecord>& records) {
  std::uint64_t pos = at + BatchHeader::size, end = pos + batch.length;
  Checksum sums;
  bool whole = true;
  for (std::uint32_t i = 0; i < batch.records; ++i) {
    std::string raw = bytes(pos, RecordHeader::size);
    auto record = RecordHeader::decode(raw);
    if (!record || pos + RecordHeader::size > end || record->length > end - pos || pos + RecordHeader::size + record->padded() > end) return false;
    sums.update(raw);
    FoundRecord found;
    found.type = record->type;
    found.id = record->id;
    found.payload_offset = pos + RecordHeader::size;
    found.length = record->length;
    if (payload_sum(*record, found.payload_offset, found.start) == record->sum) records.push_back(std::move(found));
    else whole = false;
    pos += RecordHeader::size + record->padded();
  }
  return whole && pos == end && sums.value() == batch.sum;
}

void Scanner::read_loose(std::uint64_t at, std::uint64_t end, std::vector<FoundRecord>& records) {
  BatchHeader all;
  all.records = UINT32_MAX;
  all.length = end - at - BatchHeader::size;
  read_batch(at, all, records);
}

std::optional<std::uint64_t> Scanner::later_batch(std::uint64_t at, std::uint32_t number) {
  for (at = (at + 7) & ~std::uint64_t{7}; at + BatchHeader::size <= size_; at += 8) {
    std::string magic = bytes(at, 8);
    if (magic != "MSIBATCH") continue;
    auto batch = batch_at(at);
    if (batch && batch->number >= number) return at;
  }
  return std::nullopt;
}

}  // namespace

Result<ScanReport> scan_segment(int fd, std::uint64_t key, const SegmentHeader& header, std::uint32_t expected_batches,
                                const std::function<void(FoundRecord&&)>& found) {
  struct stat st {};
  if (::fstat(fd, &st) != 0) return fail_errno("segment");
  Scanner scanner(fd, key, header.serial, static_cast<std::uint64_t>(st.st_size));
  ScanReport report;
  std::uint64_t at = segment_header_size;
  while (report.batches < expected_batches) {
    auto batch = scanner.batch_at(at);
    if (batch && batch->number != report.batches + 1) batch.reset();
    std::vector<FoundRecord> records;
    bool whole = batch && scanner.read_batch(at, *batch, records);
    if (!whole) {
      // Torn by a crash, or rotten? Only the last batch of the last segment can be torn.
      auto next = scanner.later_batch(at + 8, report.batches + 2);
      bool known = expected_batches != SegmentHeader::unknown_batches;
      if (!next && !known && !scanner.unreadable()) return report;
      if (!batch && next) scanner.read_loose(at, *next, records);   // all up to there is of this use
      for (auto& record : records) found(std::move(record));
      Damage damage;
      damage.from = at;
      damage.to = next ? *next : batch ? at + BatchHeader::size + batch->length : static_cast<std::uint64_t>(st.st_size);
      report.damage.push_back(damage);
      if (!next) return report;
      report.batches = scanner.batch_at(*next)->number - 1;
      at = *next;
      continue;
    }
    for (auto& record : records) found(std::move(record));
    ++report.batches;
    at += BatchHeader::size + batch->length;
  }
  return report;
}

}  // namespace mansio::spool
