// QueueId: 6-6-2 base62 digits, the form that exigrep, eximstats and exiqgrep of Debian 12 (Exim 4.96) read. The first
// part is the second of arrival; the others hold the spool's generation (18 bits), its shard (4 bits) and a count within
// the second (24 bits) that only ever grows in a process. So ids are unique without asking the disk, and in order of
// arrival, whatever the clock does; the generation comes round after 262,144 starts.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/quantity.hpp"

namespace mansio::spool {

struct QueueId {
  std::uint32_t seconds = 0;
  std::uint32_t fraction = 0;      // < 2^24
  std::uint64_t origin = 0;        // generation << 8 | shard

  static constexpr std::size_t text_size = 16;
  static std::optional<QueueId> parse(std::string_view text);   // strict: the 16 characters
  std::string text() const;
  // Was it given by the run of mansiod that has this generation?
  bool is_of(std::uint64_t generation) const noexcept { return origin >> 8 == (generation & generation_mask); }
  static constexpr std::uint64_t generation_mask = (1u << 18) - 1, shard_mask = 15;
  Time time() const { return Time(std::chrono::seconds(seconds)); }
  auto operator<=>(const QueueId&) const = default;
};

// An id in 12 bytes, with 8 bits to spare: an id has 82 bits that say something. For where a million of them are kept.
class PackedId {
 public:
  PackedId() = default;
  explicit PackedId(const QueueId& id, std::uint8_t mark = 0) noexcept
      : words_{id.seconds, id.fraction << 8 | mark, static_cast<std::uint32_t>(id.origin)} {}
  QueueId id() const noexcept {
    QueueId id;
    id.seconds = words_[0];
    id.fraction = words_[1] >> 8;
    id.origin = words_[2];
    return id;
  }
  std::uint8_t mark() const noexcept { return static_cast<std::uint8_t>(words_[1]); }

 private:
  std::array<std::uint32_t, 3> words_{};
};

class QueueIdSource {
 public:
  // `shard` below 16.
  QueueIdSource(std::uint64_t generation, std::uint8_t shard) noexcept
      : origin_((generation & QueueId::generation_mask) << 8 | (shard & QueueId::shard_mask)) {}
  QueueId next(Time now);          // greater than every one before

 private:
  std::uint64_t origin_;
  std::uint32_t seconds_ = 0, fraction_ = 0;
};

}  // namespace mansio::spool

template <>
struct std::hash<mansio::spool::QueueId> {
  std::size_t operator()(const mansio::spool::QueueId& id) const noexcept {
    std::uint64_t mixed = (std::uint64_t{id.seconds} << 32 | id.fraction) ^ id.origin * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(mixed * 0xff51afd7ed558ccdu >> 7);
  }
};
