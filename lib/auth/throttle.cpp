#include "auth/throttle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/match.hpp"

namespace mansio::auth {
namespace {

constexpr std::size_t key_limit = 320;

std::string key_of(std::string_view name) { return to_lower(name.substr(0, key_limit)); }

}  // namespace

std::string network_of(std::string_view client) {
  auto bits = config::Network::parse_address(client);
  if (!bits) return {};
  bool mapped = std::all_of(bits->begin(), bits->begin() + 10, [](auto b) { return b == 0; }) && (*bits)[10] == 0xff && (*bits)[11] == 0xff;
  std::string out;
  std::size_t from = mapped ? 12 : 0, to = mapped ? 16 : 8;
  for (std::size_t i = from; i < to; ++i) out += fmt::format("{:02x}", (*bits)[i]);
  return out + (mapped ? "/32" : "/64");
}

Duration Throttle::Table::delay_after(unsigned failures) const {
  if (failures == 0) return Duration(0);
  Duration out = options_.first;
  for (unsigned i = 1; i < failures && out < options_.most; ++i) out *= 2;
  return std::min(out, options_.most);
}

Duration Throttle::Table::delay(const std::string& key, MonotonicTime now) const {
  auto it = by_key_.find(key);
  bool fresh = it != by_key_.end() && now - it->second->last < options_.memory;
  return delay_after(fresh ? it->second->failures + 1 : 1);
}

Duration Throttle::Table::count(std::string key, MonotonicTime now) {
  while (!order_.empty() && now - order_.front().last >= options_.memory) forget(order_.front().key);
  auto it = by_key_.find(key);
  if (it == by_key_.end()) {
    if (order_.size() >= std::max<std::size_t>(options_.entries, 1)) forget(order_.front().key);
    order_.push_back(Entry{std::move(key), 0, now});
    it = by_key_.emplace(order_.back().key, std::prev(order_.end())).first;
  }
  order_.splice(order_.end(), order_, it->second);
  it->second->last = now;
  it->second->failures = std::min(it->second->failures + 1, 1000u);
  return delay_after(it->second->failures);
}

void Throttle::Table::forget(const std::string& key) {
  auto it = by_key_.find(key);
  if (it == by_key_.end()) return;
  auto entry = it->second;
  by_key_.erase(it);
  order_.erase(entry);   // `key` may have been its own
}

Duration Throttle::failed(std::string_view client, std::string_view name, MonotonicTime now) {
  Duration out{0};
  auto network = network_of(client);
  if (!network.empty()) out = std::max(out, networks_.count(std::move(network), now));
  if (!name.empty()) out = std::max(out, names_.count(key_of(name), now));
  return out;
}

Duration Throttle::pending(std::string_view client, std::string_view name, MonotonicTime now) const {
  Duration out{0};
  auto network = network_of(client);
  if (!network.empty()) out = std::max(out, networks_.delay(network, now));
  if (!name.empty()) out = std::max(out, names_.delay(key_of(name), now));
  return out;
}

void Throttle::use(Options options) {
  networks_.use(options);
  names_.use(options);
}

}  // namespace mansio::auth
