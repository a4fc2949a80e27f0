// Counts how often which key came, for lists of the most frequent, in bounded memory: when there are too many keys, those
// that came least are forgotten. A key that comes back after that is counted from then on.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mansio::report {

struct Top {
  Top() = default;
  std::string name;                  // as it came from outside
  std::string group;                 // of what it is a part: the destination of a reason, the stage of a refusal; or ""
  std::uint64_t count = 0, bytes = 0;
};

class TopList {
 public:
  void add(std::string_view name, std::uint64_t bytes = 0, std::string_view group = {}) {
    key_.assign(group.substr(0, longest)).append(1, '\0').append(name.substr(0, longest));
    auto& entry = entries_[key_];
    ++entry.count;
    entry.bytes += bytes;
    if (entries_.size() > most) forget();
  }
  bool empty() const noexcept { return entries_.empty(); }
  std::size_t keys() const noexcept { return entries_.size(); }

  // The `n` most frequent, most first; equal ones by name.
  std::vector<Top> best(std::size_t n) const {
    std::vector<Top> out;
    for (const auto& [key, entry] : entries_) {
      Top top;
      auto middle = key.find('\0');
      top.group = key.substr(0, middle);
      top.name = key.substr(middle + 1);
      top.count = entry.count;
      top.bytes = entry.bytes;
      out.push_back(std::move(top));
    }
    std::ranges::sort(out, [](const Top& a, const Top& b) {
      return a.count != b.count ? a.count > b.count : a.name != b.name ? a.name < b.name : a.group < b.group;
    });
    if (out.size() > n) out.resize(n);
    return out;
  }

 private:
  static constexpr std::size_t most = 20'000, longest = 300;
  struct Entry {
    std::uint64_t count = 0, bytes = 0;
  };

  // The lesser half goes.
  void forget() {
    std::vector<std::uint64_t> counts;
    counts.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) counts.push_back(entry.count);
    auto middle = counts.begin() + static_cast<std::ptrdiff_t>(counts.size() / 2);
    std::nth_element(counts.begin(), middle, counts.end());
    std::size_t to_go = counts.size() / 2;
    std::erase_if(entries_, [&, limit = *middle](const auto& one) { return one.second.count <= limit && to_go > 0 && to_go-- > 0; });
  }

  std::unordered_map<std::string, Entry> entries_;
  std::string key_;
};

}  // namespace mansio::report
