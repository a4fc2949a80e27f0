// Answers of a directory that are kept for a while, bounded in number and bytes: the one that was not asked for longest goes
// first. The clock is the caller's. Pure.
#pragma once
#include <list>
#include <string>
#include <unordered_map>

#include "base/quantity.hpp"
#include "ldap/search.hpp"

namespace mansio::ldap {

class Cache {
 public:
  struct Bounds {
    Bounds() = default;
    std::size_t entries = 20'000, bytes = 16 << 20;
  };
  Cache(Duration known, Duration unknown, Bounds bounds) : known_(known), unknown_(unknown), bounds_(bounds) {}

  FoundPtr find(const std::string& key, MonotonicTime now);     // null: not known, or too old
  void put(const std::string& key, FoundPtr found, MonotonicTime now);
  std::size_t entries() const noexcept { return list_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Kept {
    Kept(std::string k, FoundPtr f, MonotonicTime u, std::size_t s) : key(std::move(k)), found(std::move(f)), until(u), size(s) {}
    std::string key;
    FoundPtr found;
    MonotonicTime until;
    std::size_t size;
  };
  using List = std::list<Kept>;
  void forget(List::iterator kept);

  Duration known_, unknown_;
  Bounds bounds_;
  List list_;                                // the last one asked for stands first
  std::unordered_map<std::string_view, List::iterator> index_;    // keys lie in the list
  std::size_t bytes_ = 0;
};

}  // namespace mansio::ldap
