// Listings of several processes as one, in order of arrival: each gives its own messages in that order, so the oldest of
// those that are next is the next of all. A message is its line, or its id alone where a listing said no more of it.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/peers.hpp"
#include "spool/queue_id.hpp"

namespace mansio::control {

class QueueMerge {
 public:
  // `order`: of the messages that were asked for by their ids; the others come after them.
  QueueMerge(Peers& peers, const nlohmann::json& question, const std::vector<spool::QueueId>& order = {});

  // The next message into id() and line(), or progress alone: then id() is "". False: there is nothing more, or a refusal.
  event::Task<bool> next();
  const std::string& id() const noexcept { return id_; }
  const std::string& line() const noexcept { return line_; }       // "": it has only its id
  std::size_t looked_at() const;
  // What a process said instead of an answer; null: nothing.
  const nlohmann::json& refusal() const noexcept { return refusal_; }
  // The last lines of those that were read to the end.
  LastLines last() const;

 private:
  struct Source {
    Source(Peers& peers, unsigned number, const nlohmann::json& question) : answer(peers, number, question) {}
    PeerAnswer answer;
    std::deque<std::string> ids;       // of a line with ids alone
    std::string id, line;              // the next message
    std::pair<std::size_t, spool::QueueId> order;
    std::size_t looked_at = 0;
    bool ready = false, over = false;
  };
  event::Task<bool> advance(Source* source);
  void take_line(Source& source);

  std::pair<std::size_t, spool::QueueId> order_of(const std::string& id) const;

  std::vector<std::unique_ptr<Source>> sources_;
  std::unordered_map<spool::QueueId, std::size_t> wanted_;
  std::string id_, line_;
  nlohmann::json refusal_;
};

// The id in a listing's line, and "" when there is none: seen without parsing, as is_last_line().
std::string id_in_line(const std::string& line);

}  // namespace mansio::control
