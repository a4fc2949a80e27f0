// Mail for hosts that connect rarely (domains.hold_for_etrn) is not tried until it is asked for, by ETRN (RFC 1985) or ATRN
// (RFC 2645). Here is what was asked for, and which messages are known to wait. Pure: the clock is given.
#pragma once
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/quantity.hpp"
#include "spool/queue_id.hpp"

namespace mansio::queue {

// A domain (Domain::key()), or it and all below it.
struct Node {
  Node(std::string d, bool b) : domain(std::move(d)), below(b) {}
  std::string domain;
  bool below;
  bool has(std::string_view other) const noexcept;
};

class HeldMail {
 public:
  // For so long what is there, and what comes, is sent as other mail is: the host is connected now, and it may take a while to get
  // all of it.
  static constexpr Duration open_time{std::chrono::minutes(15)};

  void open(Node node, Time now);
  bool is_open(std::string_view domain, Time now) const;

  // What an attempt found to be held: aliases may lead to the domain, so that the envelope does not tell.
  void add(std::string_view domain, const spool::QueueId& id);
  std::unordered_set<spool::QueueId> of(const Node& node) const;
  // What is gone by now need not be known. True when it is time for that.
  bool is_crowded() const noexcept { return added_ >= 10'000; }
  template <class Gone>
  void forget(Gone&& gone) {
    added_ = 0;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      std::erase_if(it->second, gone);
      it = it->second.empty() ? waiting_.erase(it) : std::next(it);
    }
  }

 private:
  struct Opened {
    Node node;
    Time until;
  };
  std::vector<Opened> opened_;
  std::unordered_map<std::string, std::unordered_set<spool::QueueId>> waiting_;
  std::size_t added_ = 0;
};

}  // namespace mansio::queue
