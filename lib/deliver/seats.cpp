#include "deliver/seats.hpp"

#include <algorithm>
#include <limits>

namespace mansio::deliver {
namespace {

constexpr const char* all_name = "outbound";

std::string site_name(const std::string& site) { return "site " + site; }
std::uint64_t wish_key(const std::string& site) { return SharedCounts::key("waits for " + site); }

}  // namespace

Seats::Seat::~Seat() {
  if (of_ == nullptr) return;
  of_->give_one(all_name, shared_[1]);
  of_->give_one(site_name(site_), shared_[0]);
}

Seats::Wish::Wish(Seats& of, const std::string& site) : of_(of), key_(wish_key(site)) {
  counted_ = of_.all_ && of_.all_->take(key_, std::numeric_limits<std::uint32_t>::max()) == SharedCounts::Answer::taken;
}

Seats::Wish::~Wish() {
  if (counted_) of_.all_->give(key_);
}

// Where the common table has no room, each process has its share.
bool Seats::take_one(const std::string& name, std::uint64_t limit, bool& shared) {
  auto answer = all_->take(SharedCounts::key(name), limit);
  if (answer == SharedCounts::Answer::over) return false;
  shared = answer == SharedCounts::Answer::taken;
  auto it = own_.find(name);
  std::uint64_t own = it == own_.end() ? 0 : it->second;
  if (!shared && own >= std::max<std::uint64_t>(1, limit / all_->processes())) return false;
  ++own_[name];
  return true;
}

void Seats::give_one(const std::string& name, bool shared) noexcept {
  auto it = own_.find(name);
  if (it != own_.end() && --it->second == 0) own_.erase(it);
  if (shared) all_->give(SharedCounts::key(name));
}

Seats::Answer Seats::take(const std::string& site, std::uint64_t at_site, std::uint64_t in_all, Seat& seat) {
  if (!all_) return Answer::taken;
  if (!take_one(site_name(site), at_site, seat.shared_[0])) return Answer::site_full;
  if (!take_one(all_name, in_all, seat.shared_[1])) {
    give_one(site_name(site), seat.shared_[0]);
    return Answer::all_full;
  }
  seat.of_ = this;
  seat.site_ = site;
  return Answer::taken;
}

bool Seats::wanted(const std::string& site) const { return all_ && all_->count_of_others(wish_key(site)) > 0; }

}  // namespace mansio::deliver
