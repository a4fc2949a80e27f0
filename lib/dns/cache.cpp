#include "dns/cache.hpp"

#include <algorithm>

namespace mansio::dns {
namespace {

constexpr std::string_view any_type = "*";

// No name that can be asked for has a blank.
std::string key_of(const std::string& name, std::string_view type) {
  std::string key(type);
  key += ' ';
  key += name;
  return key;
}
std::string key_of(const std::string& name, Type type) {
  return key_of(name, std::to_string(static_cast<unsigned>(type)));
}

std::size_t octets_of(const Answer& answer) {
  std::size_t octets = sizeof(Answer) + answer.name.size();
  for (const auto& mx : answer.mx) octets += sizeof mx + mx.host.size();
  for (const auto& tlsa : answer.tlsa) octets += sizeof tlsa + tlsa.data.size();
  for (const auto* strings : {&answer.addresses, &answer.names, &answer.texts}) {
    for (const auto& string : *strings) octets += sizeof string + string.size();
  }
  return octets;
}

}  // namespace

Duration lifetime(const Answer& answer) {
  using namespace std::chrono_literals;
  switch (answer.outcome) {
    case Outcome::found: return std::clamp<Duration>(answer.ttl, 1s, 24h);
    case Outcome::nxdomain:
    case Outcome::no_data: return std::clamp<Duration>(answer.ttl, 5s, 1h);
    case Outcome::failed:
    case Outcome::timed_out: return 5s;
    case Outcome::no_resources:
    case Outcome::bad_name: break;
  }
  return Duration(0);
}

std::shared_ptr<const Answer> Cache::find(const std::string& name, Type type, MonotonicTime now) {
  const Entry* entry = find_key(key_of(name, type), now);
  if (entry == nullptr) entry = find_key(key_of(name, any_type), now);
  if (entry == nullptr) return nullptr;
  Duration left = std::chrono::duration_cast<Duration>(entry->until - now);
  if (left == entry->answer->ttl) return entry->answer;
  auto aged = std::make_shared<Answer>(*entry->answer);
  aged->ttl = left;
  return aged;
}

const Cache::Entry* Cache::find_key(const std::string& key, MonotonicTime now) {
  auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  if (found->second->until <= now) {
    erase(found->second);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

std::shared_ptr<const Answer> Cache::store(const std::string& name, Type type, Answer answer, MonotonicTime now) {
  answer.ttl = lifetime(answer);
  auto kept = std::make_shared<const Answer>(std::move(answer));
  if (kept->ttl <= Duration(0)) return kept;
  // After a CNAME it is the target that doesn't exist, and the name still has its CNAME.
  bool any = kept->outcome == Outcome::nxdomain && kept->name == name;
  std::string key = any ? key_of(name, any_type) : key_of(name, type);
  if (auto old = index_.find(key); old != index_.end()) erase(old->second);
  std::size_t octets = octets_of(*kept) + 2 * key.size() + sizeof(Entry);
  entries_.emplace_front(key, kept, now + kept->ttl, octets);
  index_.emplace(std::move(key), entries_.begin());
  octets_ += octets;
  shrink();
  return kept;
}

void Cache::erase(Entries::iterator at) {
  octets_ -= at->octets;
  index_.erase(at->key);
  entries_.erase(at);
}

void Cache::shrink() {
  while (!entries_.empty() && (entries_.size() > limit_ || octets_ > limit_ * average_octets)) {
    erase(std::prev(entries_.end()));
  }
}

void Cache::clear() {
  index_.clear();
  entries_.clear();
  octets_ = 0;
}

void Cache::set_limit(std::size_t entries) {
  limit_ = entries;
  shrink();
}

}  // namespace mansio::dns
