// Lanes as lists and files know them, and those that an admin holds.
#include "queue/lanes.hpp"

namespace mansio::queue {

std::vector<Lanes::Site> Lanes::sites(bool closed_only) const {
  std::vector<Site> out;
  for (const auto& [key, lane] : lanes_) {
    if (!lane.outage && (closed_only || lane.idle())) continue;
    Site& site = out.emplace_back();
    site.key = key;
    site.name = lane.name;
    site.ready = lane.mail();
    site.active = lane.active;
    site.window = lane.window;
    site.held = lane.held;
    if (!lane.outage) continue;
    site.failures = lane.outage->failures;
    site.closed_until = lane.outage->until;
    site.outage_since = lane.outage->since;
    site.why = lane.outage->why;
  }
  return out;
}

void Lanes::restore(const Site& site) {
  Lane& lane = obtain(site.key, {}, LaneOptions());
  if (lane.name.empty()) lane.name = site.name;
  if (!lane.outage && lane.active == 0 && site.closed_until != Time()) {
    lane.outage = std::make_unique<Outage>();
    lane.outage->since = site.outage_since;
    lane.outage->until = site.closed_until;
    lane.outage->failures = site.failures;
    lane.outage->why = site.why;
  }
  place(site.key, lane);
}

std::string_view Lanes::name_of(LaneKey key) const {
  const Lane* lane = find(resolve(key));
  return lane == nullptr ? std::string_view() : lane->name;
}

Time Lanes::closed_until(LaneKey key) const {
  const Lane* lane = find(resolve(key));
  return lane == nullptr || !lane->outage ? Time() : lane->outage->until;
}

// ---- lanes that are held

void Lanes::hold(LaneKey key, std::string_view name, const LaneOptions& options) {
  redirects_.erase(key);
  Lane& lane = obtain(key, name, options);
  lane.held = true;
  place(key, lane);
}

void Lanes::release_all() {
  for (auto it = lanes_.begin(); it != lanes_.end();) {
    LaneKey key = it->first;
    Lane& lane = (it++)->second;       // it may be forgotten now
    if (!lane.held) continue;
    lane.held = false;
    place(key, lane);
  }
}

}  // namespace mansio::queue
