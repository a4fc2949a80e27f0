// QueueId: 6-11-4 base62 digits, the long form of Exim 4.97 that exigrep and friends read. The first part is the
// second of arrival, the second the spool's generation and shard, the third counts 1/14,000,000ths of the second and
// only ever grows within a process: unique without asking the disk, in order of arrival, whatever the clock does.
#pragma once
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
  std::uint32_t fraction = 0;      // < 62^4
  std::uint64_t origin = 0;        // generation << 8 | shard

  static std::optional<QueueId> parse(std::string_view text);   // strict: the 23 characters
  std::string text() const;
  std::uint64_t generation() const noexcept { return origin >> 8; }
  Time time() const { return Time(std::chrono::seconds(seconds)); }
  auto operator<=>(const QueueId&) const = default;
};

class QueueIdSource {
 public:
  QueueIdSource(std::uint64_t generation, std::uint8_t shard) noexcept : origin_(generation << 8 | shard) {}
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
