// How much of a thing the processes of one server use together: connections of a client, say, or to a site. A table of fixed
// size in memory that all of them map, made by their parent; every process counts in a column of its own, so that what one
// had can be taken back when it has died. Nothing but numbers: whoever writes nonsense there makes limits too tight or too
// wide, and reaches nothing else. Lock-free; each process uses it from one thread.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio {

class SharedCounts {
 public:
  // The parent's: memory of zeroes for so many processes, whose size nobody can change any more.
  static Result<UniqueFd> make(unsigned processes);
  // `own`: the column of this process.
  static Result<std::shared_ptr<SharedCounts>> map(int fd, unsigned own, unsigned processes);
  ~SharedCounts();
  SharedCounts(const SharedCounts&) = delete;
  SharedCounts& operator=(const SharedCounts&) = delete;

  static std::uint64_t key(std::string_view thing) noexcept;

  // One more, unless there are `limit` in all processes together. `no_room`: the table knows too many other things; the
  // caller has to do with what it knows by itself. After `taken` comes give(), once.
  enum class Answer : std::uint8_t { taken, over, no_room };
  Answer take(std::uint64_t key, std::uint64_t limit) noexcept;
  void give(std::uint64_t key) noexcept;
  std::uint64_t count(std::uint64_t key) const noexcept;             // in all processes
  std::uint64_t count_of_others(std::uint64_t key) const noexcept;   // but this one

  // The process with this column has died: what it had is free. Nobody uses the column meanwhile.
  void forget(unsigned process) noexcept;
  unsigned processes() const noexcept { return processes_; }

 private:
  using Key = std::atomic<std::uint64_t>;
  using Count = std::atomic<std::uint32_t>;
  SharedCounts(unsigned char* at, unsigned own, unsigned processes) noexcept : at_(at), own_(own), processes_(processes) {}
  Key& name_of(std::size_t cell) const noexcept;
  Count& count_of(std::size_t cell, unsigned process) const noexcept;
  bool is_unused(std::size_t cell) const noexcept;
  std::size_t find(std::uint64_t key) noexcept;
  bool claim(std::size_t cell, std::uint64_t key) noexcept;

  unsigned char* at_;
  unsigned own_, processes_;
};

}  // namespace mansio
