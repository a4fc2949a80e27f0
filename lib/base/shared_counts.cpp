// A thing stands in one of the `window` cells from its hash on. A cell whose counts are all zero may be taken over for
// another thing: its name is first replaced by a mark that says who does so, then the counts are looked at again. Who counts
// in a cell looks at its name afterwards. So one of the two sees the other and steps back.
#include "base/shared_counts.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <limits>

#include "base/bytes.hpp"

namespace mansio {
namespace {

constexpr std::size_t cells = 1u << 16, window = 16, nowhere = std::numeric_limits<std::size_t>::max();
constexpr int mark_shift = 59;                              // above: 1 + who takes the cell over
constexpr std::uint64_t name_bits = (std::uint64_t(1) << mark_shift) - 1;
constexpr unsigned most_processes = 16;

// A name, then a count a process.
std::size_t cell_size(unsigned processes) { return (8 + 4 * std::size_t(processes) + 7) / 8 * 8; }
std::size_t cell_at(std::uint64_t key, std::size_t i) { return (static_cast<std::size_t>(key >> 20) + i) % cells; }

}  // namespace

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

Result<UniqueFd> SharedCounts::make(unsigned processes) {
  UniqueFd fd(::memfd_create("mansio-counts", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(cells * cell_size(processes))) != 0) return fail_errno("memfd_create");
  // Memory that shrank would be the end of all who map it.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return fail_errno("seal a memory file");
  return fd;
}

Result<std::shared_ptr<SharedCounts>> SharedCounts::map(int fd, unsigned own, unsigned processes) {
  if (own >= processes || processes > most_processes + 1) return fail(Fault::invalid, "counts of more processes than there can be");
  std::size_t size = cells * cell_size(processes);
  if (::lseek(fd, 0, SEEK_END) != static_cast<off_t>(size)) return fail(Fault::invalid, "counts of a size that they don't have");
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return fail_errno("mmap");
  return std::shared_ptr<SharedCounts>(new SharedCounts(static_cast<unsigned char*>(at), own, processes));
}

SharedCounts::~SharedCounts() { ::munmap(at_, cells * cell_size(processes_)); }

std::uint64_t SharedCounts::key(std::string_view thing) noexcept {
  std::uint64_t name = checksum(thing) & name_bits;
  return name == 0 ? 1 : name;
}

SharedCounts::Key& SharedCounts::name_of(std::size_t cell) const noexcept {
  return *reinterpret_cast<Key*>(at_ + cell * cell_size(processes_));
}

SharedCounts::Count& SharedCounts::count_of(std::size_t cell, unsigned process) const noexcept {
  return *reinterpret_cast<Count*>(at_ + cell * cell_size(processes_) + 8 + 4 * std::size_t(process));
}

bool SharedCounts::is_unused(std::size_t cell) const noexcept {
  for (unsigned process = 0; process < processes_; ++process) {
    if (count_of(cell, process) != 0) return false;
  }
  return true;
}

// Makes an unused cell the thing's. Two processes may do so at once, each with another cell: whoever counts adds up all
// cells of the thing.
bool SharedCounts::claim(std::size_t cell, std::uint64_t key) noexcept {
  std::uint64_t before = name_of(cell);
  if (before == 0) return name_of(cell).compare_exchange_strong(before, key);
  if (before > name_bits || !is_unused(cell)) return false;
  std::uint64_t mark = before | std::uint64_t(own_ + 1) << mark_shift;
  if (!name_of(cell).compare_exchange_strong(before, mark)) return false;
  bool free = is_unused(cell);
  name_of(cell) = free ? key : before;
  return free;
}

std::size_t SharedCounts::find(std::uint64_t key) noexcept {
  for (std::size_t i = 0; i < window; ++i) {
    if (name_of(cell_at(key, i)) == key) return cell_at(key, i);
  }
  for (std::size_t i = 0; i < window; ++i) {
    if (claim(cell_at(key, i), key)) return cell_at(key, i);
  }
  return nowhere;
}

SharedCounts::Answer SharedCounts::take(std::uint64_t key, std::uint64_t limit) noexcept {
  for (int tries = 0; tries < 3; ++tries) {
    std::size_t cell = find(key);
    if (cell == nowhere) break;
    Count& mine = count_of(cell, own_);
    ++mine;
    bool ours = name_of(cell) == key;
    if (ours && count(key) <= limit) return Answer::taken;
    --mine;
    if (ours && tries == 2) return Answer::over;      // two that came at once may have seen each other
  }
  return Answer::no_room;
}

void SharedCounts::give(std::uint64_t key) noexcept {
  for (std::size_t i = 0; i < window; ++i) {
    std::size_t cell = cell_at(key, i);
    Count& mine = count_of(cell, own_);
    if ((name_of(cell) & name_bits) != key || mine == 0) continue;
    --mine;
    return;
  }
}

std::uint64_t SharedCounts::count(std::uint64_t key) const noexcept {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < window; ++i) {
    std::size_t cell = cell_at(key, i);
    if ((name_of(cell) & name_bits) != key) continue;
    for (unsigned process = 0; process < processes_; ++process) out += count_of(cell, process);
  }
  return out;
}

std::uint64_t SharedCounts::count_of_others(std::uint64_t key) const noexcept {
  std::uint64_t mine = 0, all = count(key);
  for (std::size_t i = 0; i < window; ++i) {
    std::size_t cell = cell_at(key, i);
    if ((name_of(cell) & name_bits) == key) mine += count_of(cell, own_);
  }
  return all > mine ? all - mine : 0;
}

void SharedCounts::forget(unsigned process) noexcept {
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::uint64_t name = name_of(cell);
    if (name == 0) continue;
    // It died while it took the cell over.
    if (name >> mark_shift == process + 1) name_of(cell) = name & name_bits;
    count_of(cell, process) = 0;
  }
}

}  // namespace mansio
