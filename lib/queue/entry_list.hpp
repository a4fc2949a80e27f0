// EntryList: the messages of one lane, first in, first out. A ring that grows and shrinks by doubling; an entry is packed
// into 12 bytes, so a list costs at most 24 bytes an entry from 2 entries up.
#pragma once
#include <cstdint>
#include <memory>

#include "spool/queue_id.hpp"

namespace mansio::queue {

struct LaneEntry {
  spool::QueueId id;
  bool forced = false;          // past a closed lane: an admin asked for it
  bool fresh = false;           // its message is in the queue's memory
  bool warned = false;          // its sender knows that it waits
  bool hurried = false;         // before its time: somebody runs the queue
  bool tried = false;           // an attempt has failed before
};

class EntryList {
 public:
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  std::size_t untried() const noexcept { return untried_; }
  LaneEntry at(std::size_t index) const { return unpack(slots_[(begin_ + index) & (capacity_ - 1)]); }   // 0: the first

  void push_back(const LaneEntry& entry) {
    if (size_ == capacity_) resize(capacity_ == 0 ? 2 : capacity_ * 2);
    slots_[(begin_ + size_++) & (capacity_ - 1)] = pack(entry);
    untried_ += entry.tried ? 0 : 1;
  }
  void push_front(const LaneEntry& entry) {
    if (size_ == capacity_) resize(capacity_ == 0 ? 2 : capacity_ * 2);
    begin_ = (begin_ - 1) & (capacity_ - 1);
    ++size_;
    slots_[begin_] = pack(entry);
    untried_ += entry.tried ? 0 : 1;
  }
  LaneEntry pop_front() {
    LaneEntry entry = at(0);
    begin_ = (begin_ + 1) & (capacity_ - 1);
    --size_;
    untried_ -= entry.tried ? 0 : 1;
    shrink();
    return entry;
  }
  // Those that `wanted` names are taken out and given to `taken`, in order; the others keep theirs.
  template <class Wanted, class Taken>
  void extract(Wanted&& wanted, Taken&& taken) {
    std::uint32_t kept = 0, untried = 0;
    for (std::uint32_t i = 0; i < size_; ++i) {
      LaneEntry entry = at(i);
      if (wanted(entry)) {
        taken(entry);
        continue;
      }
      slots_[(begin_ + kept++) & (capacity_ - 1)] = pack(entry);
      untried += entry.tried ? 0 : 1;
    }
    size_ = kept;
    untried_ = untried;
    shrink();
  }

 private:
  static spool::PackedId pack(const LaneEntry& e) noexcept {
    int mark = (e.forced ? 1 : 0) | (e.fresh ? 2 : 0) | (e.warned ? 4 : 0) | (e.hurried ? 8 : 0) | (e.tried ? 16 : 0);
    return spool::PackedId(e.id, static_cast<std::uint8_t>(mark));
  }
  static LaneEntry unpack(const spool::PackedId& packed) noexcept {
    LaneEntry entry;
    entry.id = packed.id();
    entry.forced = (packed.mark() & 1) != 0;
    entry.fresh = (packed.mark() & 2) != 0;
    entry.warned = (packed.mark() & 4) != 0;
    entry.hurried = (packed.mark() & 8) != 0;
    entry.tried = (packed.mark() & 16) != 0;
    return entry;
  }
  // `capacity`: 0 or a power of two, not below size_.
  void resize(std::uint32_t capacity) {
    auto larger = capacity == 0 ? nullptr : std::make_unique_for_overwrite<spool::PackedId[]>(capacity);
    for (std::uint32_t i = 0; i < size_; ++i) larger[i] = slots_[(begin_ + i) & (capacity_ - 1)];
    slots_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
  }
  void shrink() {
    if (size_ == 0) return resize(0);
    std::uint32_t capacity = capacity_;
    while (capacity > 2 && size_ <= capacity / 4) capacity /= 2;
    if (capacity != capacity_) resize(capacity);
  }

  std::unique_ptr<spool::PackedId[]> slots_;
  std::uint32_t capacity_ = 0, begin_ = 0, size_ = 0, untried_ = 0;
};

}  // namespace mansio::queue
