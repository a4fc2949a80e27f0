// /etc/aliases (aliases(5)): "key: items", goes on in lines that begin with a blank, "#" begins a comment line. Keys
// are "name", "name@domain" and "@domain" (catch-all), without regard to ASCII case. The items are target.hpp's. Pure.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "route/target.hpp"

namespace mansio::route {

class AliasTable {
 public:
  const std::vector<Target>* find(const std::string& key) const;    // `key` in lower case, domain as an A-label
  bool insert(std::string key, std::vector<Target> targets);        // false: there is one already, and it stays
  std::size_t size() const noexcept { return entries_.size(); }

  template <class Visit>
  void for_each_target(Visit visit) {
    for (auto& [key, targets] : entries_) {
      for (auto& target : targets) visit(target);
    }
  }
  // (key, targets), in no order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, targets] : entries_) visit(key, targets);
  }

 private:
  std::unordered_map<std::string, std::vector<Target>> entries_;
};

struct ParsedAliases {
  AliasTable table;
  std::vector<TargetProblem> problems;    // line numbers of the text
};

ParsedAliases parse_aliases(std::string_view text);

}  // namespace mansio::route
