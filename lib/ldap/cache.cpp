#include "ldap/cache.hpp"

namespace mansio::ldap {

void Cache::forget(List::iterator kept) {
  bytes_ -= kept->size;
  index_.erase(kept->key);
  list_.erase(kept);
}

FoundPtr Cache::find(const std::string& key, MonotonicTime now) {
  auto at = index_.find(key);
  if (at == index_.end()) return nullptr;
  auto kept = at->second;
  if (kept->until <= now) {
    forget(kept);
    return nullptr;
  }
  list_.splice(list_.begin(), list_, kept);
  return kept->found;
}

void Cache::put(const std::string& key, FoundPtr found, MonotonicTime now) {
  if (auto at = index_.find(key); at != index_.end()) forget(at->second);
  Duration time = found->entries.empty() ? unknown_ : known_;
  if (time.count() == 0) return;
  std::size_t size = sizeof(Kept) + 128 + key.size();
  for (const Entry& entry : found->entries) size += entry.size();
  if (size > bounds_.bytes) return;
  list_.emplace_front(key, std::move(found), now + time, size);
  index_.emplace(list_.front().key, list_.begin());
  bytes_ += size;
  while (list_.size() > bounds_.entries || bytes_ > bounds_.bytes) forget(std::prev(list_.end()));
}

}  // namespace mansio::ldap
