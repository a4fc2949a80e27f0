// Shard: the directory of one spool (spool/0, spool/1, …): its lock, its format, its sub-directories. Synchronous, at start.
#pragma once
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"
#include "base/result.hpp"

namespace mansio::spool {

inline constexpr int shard_limit = 16;               // as many as a QueueId can tell apart
inline constexpr const char* empty_mark = "empty";  // a file of a shard whose last process left nothing in it

class Shard {
 public:
  // Nothing is left in it, durably: until it is opened again nobody needs to look.
  static Result<> mark_empty(const std::string& directory);

  // Makes what is missing (the parent must exist), takes the lock, reads `format` and makes the next generation durable.
  // Fault::busy: another process has it (the text names its pid); one that was killed and is not gone yet is waited for, 5 s at most. Fault::exists: a format of another version.
  static Result<Shard> open(const std::string& directory);

  const std::string& directory() const noexcept { return directory_; }
  std::uint64_t generation() const noexcept { return generation_; }
  std::uint64_t key() const noexcept { return key_; }
  std::string journal() const { return directory_ + "/journal"; }
  std::string large() const { return directory_ + "/large"; }
  std::string deferred() const { return directory_ + "/deferred"; }
  std::string corrupt() const { return directory_ + "/corrupt"; }

 private:
  Shard(std::string directory, UniqueFd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  Result<> read_format();
  Result<> next_generation();

  std::string directory_;
  UniqueFd lock_;
  std::uint64_t generation_ = 0, key_ = 0;
};

}  // namespace mansio::spool
