// Checksums for the spool's records: XXH3 (64 bits). They find torn and rotten records; they are no defence
// against somebody who may write the spool.
#pragma once
#include <cstdint>
#include <string_view>

namespace mansio {

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed = 0) noexcept;

// The same over pieces: checksum of a stream that does not lie in memory whole.
class Checksum {
 public:
  explicit Checksum(std::uint64_t seed = 0);
  ~Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  void update(std::string_view bytes) noexcept;
  std::uint64_t value() const noexcept;

 private:
  void* state_;
};

}  // namespace mansio
