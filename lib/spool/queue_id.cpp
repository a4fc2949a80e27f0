#include "spool/queue_id.hpp"

#include "base/encoding.hpp"

namespace mansio::spool {

namespace {
// How the bits lie: the middle six digits hold generation, shard and the upper 13 bits of the count; the last two its
// lower 11 bits. 35 and 11 bits fit into six and two digits of base 62.
constexpr std::uint32_t fractions = 1u << 24;
constexpr int low_bits = 11, high_bits = 13, shard_bits = 4;
constexpr std::uint32_t low_mask = (1u << low_bits) - 1, high_mask = (1u << high_bits) - 1;
}  // namespace

std::string QueueId::text() const {
  std::uint64_t generation = origin >> 8, shard = origin & shard_mask;
  std::uint64_t middle = (generation << shard_bits | shard) << high_bits | fraction >> low_bits;
  return base62_encode(seconds, 6) + "-" + base62_encode(middle, 6) + "-" + base62_encode(fraction & low_mask, 2);
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != text_size || text[6] != '-' || text[13] != '-') return std::nullopt;
  auto seconds = base62_decode(text.substr(0, 6));
  auto middle = base62_decode(text.substr(7, 6));
  auto low = base62_decode(text.substr(14));
  if (!seconds || !middle || !low || *seconds > UINT32_MAX || *low > low_mask) return std::nullopt;
  std::uint64_t run = *middle >> high_bits;
  if (run >> shard_bits > generation_mask) return std::nullopt;
  QueueId id;
  id.seconds = static_cast<std::uint32_t>(*seconds);
  id.origin = run >> shard_bits << 8 | (run & shard_mask);
  id.fraction = static_cast<std::uint32_t>((*middle & high_mask) << low_bits | *low);
  return id;
}

QueueId QueueIdSource::next(Time now) {
  auto since = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  if (since < 0) since = 0;
  auto seconds = static_cast<std::uint32_t>(since / 1000000);
  auto fraction = static_cast<std::uint32_t>(since % 1000000 * (fractions / 1000000));
  if (seconds > seconds_ || (seconds == seconds_ && fraction > fraction_)) {
    seconds_ = seconds;
    fraction_ = fraction;
  } else if (++fraction_ == fractions) {   // the clock stood still or went back: count on
    fraction_ = 0;
    ++seconds_;
  }
  QueueId id;
  id.seconds = seconds_;
  id.fraction = fraction_;
  id.origin = origin_;
  return id;
}

}  // namespace mansio::spool
