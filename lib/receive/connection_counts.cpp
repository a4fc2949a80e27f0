#include "receive/connection_counts.hpp"

#include <algorithm>
#include <limits>

namespace mansio::receive {
namespace {

const std::uint64_t all_key = SharedCounts::key("all"), serving_key = SharedCounts::key("processes that serve");

}  // namespace

ConnectionCounts::Place::~Place() {
  if (counts_ != nullptr) counts_->give(*this);
}

void ConnectionCounts::share(std::shared_ptr<SharedCounts> all, bool serves) {
  all_ = std::move(all);
  if (serves) (void)all_->take(serving_key, std::numeric_limits<std::uint32_t>::max());
}

bool ConnectionCounts::crowded() const {
  constexpr std::uint64_t tolerance = 2;
  if (!all_) return false;
  auto known = own_.find(all_key);
  std::uint64_t own = known == own_.end() ? 0 : known->second;
  return own > all_->count(all_key) / std::max<std::uint64_t>(1, all_->count(serving_key)) + tolerance;
}

// `limit` may leave nothing. Where the common table has no room, each process has its share.
bool ConnectionCounts::take_one(Place& place, std::size_t kind, std::uint64_t limit) {
  std::uint64_t key = place.keys_[kind];
  auto known = own_.find(key);
  std::uint64_t own = known == own_.end() ? 0 : known->second;
  if (own >= limit) return false;
  if (all_) {
    auto answer = all_->take(key, limit);
    if (answer == SharedCounts::Answer::over) return false;
    place.shared_[kind] = answer == SharedCounts::Answer::taken;
    if (!place.shared_[kind] && own >= std::max<std::uint64_t>(1, limit / all_->processes())) return false;
  }
  ++own_[key];
  return true;
}

ConnectionCounts::Refusal ConnectionCounts::take(const std::string& listener, const std::string& client, const Limits& limits, Place& place) {
  place.keys_ = {all_key, SharedCounts::key("listener " + listener), SharedCounts::key("client " + client),
                 SharedCounts::key("client " + client + " at " + listener)};
  std::array<std::uint64_t, Place::kinds> most{limits.all, limits.listener, limits.client, limits.client_at_listener};
  for (std::size_t kind = 0; kind < Place::kinds; ++kind) {
    if (take_one(place, kind, most[kind])) continue;
    std::fill(place.keys_.begin() + static_cast<std::ptrdiff_t>(kind), place.keys_.end(), 0);
    give(place);
    return kind < 2 ? Refusal::server : Refusal::client;
  }
  place.counts_ = this;
  return Refusal::none;
}

void ConnectionCounts::give(Place& place) noexcept {
  for (std::size_t kind = 0; kind < Place::kinds; ++kind) {
    if (place.keys_[kind] == 0) continue;
    auto it = own_.find(place.keys_[kind]);
    if (it != own_.end() && --it->second == 0) own_.erase(it);
    if (place.shared_[kind]) all_->give(place.keys_[kind]);
  }
  place.shared_ = {};
}

}  // namespace mansio::receive
