#include "base/bytes.hpp"

#include <new>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace mansio {

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed) noexcept {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

static XXH3_state_t* state(void* p) noexcept { return static_cast<XXH3_state_t*>(p); }

Checksum::Checksum(std::uint64_t seed) : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset_withSeed(state(state_), seed);
}
Checksum::~Checksum() { XXH3_freeState(state(state_)); }
Checksum::Checksum(Checksum&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
Checksum& Checksum::operator=(Checksum&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
void Checksum::update(std::string_view bytes) noexcept { XXH3_64bits_update(state(state_), bytes.data(), bytes.size()); }
std::uint64_t Checksum::value() const noexcept { return XXH3_64bits_digest(state(state_)); }

}  // namespace mansio
