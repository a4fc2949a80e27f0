#include "spool/queue_id.hpp"

#include "base/encoding.hpp"

namespace mansio::spool {

namespace {
constexpr std::uint32_t fractions = 62 * 62 * 62 * 62;
}

std::string QueueId::text() const {
  return base62_encode(seconds, 6) + "-" + base62_encode(origin, 11) + "-" + base62_encode(fraction, 4);
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != 23 || text[6] != '-' || text[18] != '-') return std::nullopt;
  auto seconds = base62_decode(text.substr(0, 6));
  auto origin = base62_decode(text.substr(7, 11));
  auto fraction = base62_decode(text.substr(19));
  if (!seconds || !origin || !fraction || *seconds > UINT32_MAX) return std::nullopt;
  QueueId id;
  id.seconds = static_cast<std::uint32_t>(*seconds);
  id.origin = *origin;
  id.fraction = static_cast<std::uint32_t>(*fraction);
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
