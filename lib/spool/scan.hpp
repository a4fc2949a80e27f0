// Reading a segment at recovery: which records were durable, what is torn, what is rotten. Synchronous, bounded
// memory; trusts no length it finds.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "spool/record.hpp"

namespace mansio::spool {

struct FoundRecord {
  RecordType type = RecordType::done;
  QueueId id;
  std::uint64_t payload_offset = 0, length = 0;
  std::string start;       // the payload's first bytes: all of a small record, the layout of a message
};

struct Damage {
  std::uint64_t from = 0, to = 0;   // bytes of the segment that were durable once and can't be read now
};

struct ScanReport {
  std::uint32_t batches = 0;
  std::vector<Damage> damage;
};

// `expected_batches`: how many the next segment's header says there are: fewer are damage, and one more was refused
// (D-002). unknown_batches: the last one may be torn by a crash, and was then never acknowledged.
Result<ScanReport> scan_segment(int fd, std::uint64_t key, const SegmentHeader& header, std::uint32_t expected_batches,
                                const std::function<void(FoundRecord&&)>& found);

}  // namespace mansio::spool
