// The queue's side of lanes: in which one a message stands, and which messages stay in memory until their turn.
#include <fmt/format.h>

#include "queue/queue.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t messages_in_memory = 2000;     // ready ones; more are loaded when their turn comes
constexpr std::size_t retries_in_memory = 500;       // at most this many ready ones when one that was tried before comes
constexpr std::size_t bytes_in_memory = 32u << 20;
constexpr const char* unsorted = "?";                // messages whose destination isn't known yet: found by recovery
constexpr const char* local = "local";
constexpr const char* several = "several";           // messages for several destinations

std::string words_of(const Status& why) { return "the destination could not be reached lately; the last try said: " + why.line(); }

}  // namespace

LaneKey Queue::unsorted_lane() {
  static const LaneKey key = lane_key(unsorted);
  return key;
}

// Only a hint: the attempt routes anew. Mail for one domain, and where the sender matters of one sender, stands together
// until the domain's site is known.
Queue::LaneOf Queue::lane_of(const spool::Message& message) const {
  LaneOptions options;
  options.adapts = false;
  const auto& recipients = message.envelope.recipients;
  std::size_t first = 0;
  while (first + 1 < recipients.size() && message.progress.recipients[first].settled()) ++first;
  const mail::Domain& domain = recipients[first].address.domain();
  bool is_local = router_->is_local(domain);
  // What is for several destinations must not wait until the first of them can be reached.
  for (std::size_t i = first + 1; i < recipients.size(); ++i) {
    const mail::Domain& other = recipients[i].address.domain();
    if (message.progress.recipients[i].settled() || other.key() == domain.key() || (is_local && router_->is_local(other))) continue;
    options.window = options.window_limit = 100;
    return LaneOf(lane_key(several), several, options, true);
  }
  if (is_local) {
    options.window = options.window_limit = 200;
    return LaneOf(lane_key(local), local, options, true);
  }
  std::string name = "domain " + domain.key();
  if (!message.progress.transport.empty()) name += " by " + message.progress.transport;
  if (sender_routes_) name += " from " + message.envelope.sender_text();
  LaneKey key = lane_key(name);        // before the name is moved: arguments are evaluated in any order
  return LaneOf(key, std::move(name), options, false);
}

std::optional<LaneKey> Queue::domain_lane(const spool::Message& message) const {
  LaneOf lane = lane_of(message);
  return lane.shared ? std::nullopt : std::optional(lane.key);
}

void Queue::push(LaneKey lane, LaneEntry entry, bool front) {
  if (lane == 0) lane = unsorted_lane();
  LaneOptions options;
  std::string name;
  if (lane == unsorted_lane()) {
    options.adapts = false;
    options.window = options.window_limit = 32;
    name = unsorted;
  }
  lanes_.push(lane, name, options, entry, front);
}

void Queue::sort_in(const LaneOf& lane, const std::shared_ptr<spool::Message>& message, LaneEntry entry) {
  bool closed = lanes_.closed_why(lane.key, std::chrono::system_clock::now()) != nullptr;
  entry.tried = message->progress.attempts > 0;
  bool room = !entry.tried || memory_.size() < retries_in_memory;
  entry.fresh = room && (!closed || entry.forced) && keep_in_memory(message);
  entry.warned = message->progress.delay_warned;
  lanes_.push(lane.key, lane.name, lane.options, entry);
}

bool Queue::keep_in_memory(const std::shared_ptr<spool::Message>& message) {
  std::size_t bytes = message->content.memory ? message->content.memory->size() : 0;
  if (memory_.size() >= messages_in_memory || memory_bytes_ + bytes > bytes_in_memory) {
    message->content.memory = nullptr;
    return false;
  }
  take_from_memory(message->id);        // an older copy, of before
  memory_bytes_ += bytes;
  memory_[message->id] = message;
  return true;
}

std::shared_ptr<spool::Message> Queue::take_from_memory(const spool::QueueId& id) {
  auto found = memory_.find(id);
  if (found == memory_.end()) return nullptr;
  auto message = std::move(found->second);
  memory_.erase(found);
  if (message->content.memory) memory_bytes_ -= message->content.memory->size();
  return message;
}

void Queue::accept(std::shared_ptr<spool::Message> message) {
  LaneEntry entry;
  entry.id = message->id;
  LaneOf lane = lane_of(*message);
  if (const Status* why = lanes_.closed_why(lane.key, std::chrono::system_clock::now()); why != nullptr) {
    for (const auto& recipient : message->envelope.recipients) {
      log::Deferral deferral;
      deferral.id = message->id.text();
      deferral.address = recipient.address.text();
      deferral.number = log::Phase::host_retry;
      deferral.text = words_of(*why);
      log.write(std::move(deferral));
    }
  }
  sort_in(lane, message, entry);
  relieve_journal();
  pump();
}

// The domain that holds it up, as far as the envelope tells; "": none.
std::string Queue::held_domain(const spool::Message& message) const {
  if (config_->domains.hold_for_etrn.empty()) return {};
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    const std::string& domain = message.envelope.recipients[i].address.domain().key();
    if (!message.progress.recipients[i].settled() && is_held(domain)) return domain;
  }
  return {};
}

Queue::Standing Queue::standing(const spool::Message& message, Time now) const {
  Standing out;
  LaneOf lane = lane_of(message);
  out.destination = lanes_.name_of(lane.key);
  if (out.destination.empty()) out.destination = std::move(lane.name);
  const Status* why = lanes_.closed_why(lane.key, now);
  if (lanes_.is_held(lanes_.resolve(lane.key))) {
    out.why = "its destination is paused by an administrator";
    why = nullptr;
  } else if (const std::string domain = held_domain(message); !domain.empty()) {
    out.why = "mail for " + domain + " waits until its host asks for it (ETRN, ATRN)";
    why = nullptr;
  } else if (why != nullptr) {
    out.closed_until = lanes_.closed_until(lane.key);
    out.why = words_of(*why);
  }
  if (under_way_.contains(message.id)) out.state = Standing::State::trying;
  else if (message.progress.frozen) out.state = Standing::State::frozen;
  else if (why != nullptr) out.state = Standing::State::closed;
  else if (message.progress.next_attempt <= now) out.state = Standing::State::due;
  return out;
}

std::string Queue::why_waiting(const spool::Message& message) const { return standing(message, std::chrono::system_clock::now()).why; }

}  // namespace mansio::queue
