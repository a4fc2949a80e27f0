// IdSet: the ids of the messages in deferred/, a million of them in some 16 to 32 bytes each. A hash table without
// lists: an id stands at its place or in the next free one after it.
#pragma once
#include <memory>
#include <utility>

#include "spool/queue_id.hpp"

namespace mansio::spool {

class IdSet {
 public:
  std::size_t size() const noexcept { return size_; }
  bool contains(const QueueId& id) const noexcept { return size_ > 0 && is_taken(find(id)); }

  bool insert(const QueueId& id) {            // false: it is there already
    if ((size_ + 1) * 4 > capacity_ * 3) resize(capacity_ == 0 ? 16 : capacity_ * 2);
    std::size_t at = find(id);
    if (is_taken(at)) return false;
    slots_[at] = PackedId(id, taken);
    ++size_;
    return true;
  }
  bool erase(const QueueId& id) {             // false: it isn't there
    if (size_ == 0) return false;
    std::size_t hole = find(id);
    if (!is_taken(hole)) return false;
    --size_;
    // Who stands further from its place than the hole is moves into it; so no search ends early.
    for (std::size_t at = next(hole); is_taken(at); at = next(at)) {
      if (distance(home(slots_[at].id()), at) < distance(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = PackedId();
    if (capacity_ > 16 && size_ * 8 < capacity_) resize(capacity_ / 2);
    return true;
  }
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t at = 0; at < capacity_; ++at) {
      if (is_taken(at)) f(slots_[at].id());
    }
  }

 private:
  static constexpr std::uint8_t taken = 1;    // the mark of a slot that holds an id

  bool is_taken(std::size_t at) const noexcept { return slots_[at].mark() == taken; }
  // Neighbours in time must not be neighbours here: without lists a crowd makes every search long.
  std::size_t home(const QueueId& id) const noexcept {
    std::uint64_t mixed = (std::uint64_t{id.seconds} << 32 | id.fraction) ^ id.origin * 0x9e3779b97f4a7c15u;
    for (int round = 0; round < 2; ++round) {
      mixed ^= mixed >> 32;
      mixed *= 0xd6e8feb86659fd93u;
    }
    return (mixed ^ mixed >> 32) & (capacity_ - 1);
  }
  std::size_t next(std::size_t at) const noexcept { return (at + 1) & (capacity_ - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const noexcept { return (to - from) & (capacity_ - 1); }

  // Where the id stands, or the free slot where it would.
  std::size_t find(const QueueId& id) const noexcept {
    std::size_t at = home(id);
    while (is_taken(at) && slots_[at].id() != id) at = next(at);
    return at;
  }
  void resize(std::size_t capacity) {         // a power of two
    auto old = std::move(slots_);
    std::size_t before = std::exchange(capacity_, capacity);
    slots_ = std::make_unique<PackedId[]>(capacity);
    for (std::size_t at = 0; at < before; ++at) {
      if (old[at].mark() == taken) slots_[find(old[at].id())] = old[at];
    }
  }

  std::unique_ptr<PackedId[]> slots_;
  std::size_t capacity_ = 0, size_ = 0;
};

}  // namespace mansio::spool
