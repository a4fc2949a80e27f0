#include "queue/held.hpp"

#include <algorithm>

namespace mansio::queue {

bool Node::has(std::string_view other) const noexcept {
  if (other == domain) return true;
  return below && other.size() > domain.size() && other.ends_with(domain) && other[other.size() - domain.size() - 1] == '.';
}

void HeldMail::open(Node node, Time now) {
  std::erase_if(opened_, [&](const Opened& one) {
    return one.until <= now || one.until > now + open_time || (one.node.domain == node.domain && one.node.below == node.below);
  });
  opened_.push_back(Opened{std::move(node), now + open_time});
}

// A clock that went back closes it, too.
bool HeldMail::is_open(std::string_view domain, Time now) const {
  return std::ranges::any_of(opened_, [&](const Opened& one) { return one.until > now && one.until <= now + open_time && one.node.has(domain); });
}

void HeldMail::add(std::string_view domain, const spool::QueueId& id) {
  if (waiting_[std::string(domain)].insert(id).second) ++added_;
}

std::unordered_set<spool::QueueId> HeldMail::of(const Node& node) const {
  std::unordered_set<spool::QueueId> out;
  for (const auto& [domain, ids] : waiting_) {
    if (node.has(domain)) out.insert(ids.begin(), ids.end());
  }
  return out;
}

}  // namespace mansio::queue
