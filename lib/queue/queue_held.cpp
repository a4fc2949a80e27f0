// The queue's side of mail that is fetched (held.hpp). Held mail is no different from other mail that waits: its schedule goes
// on, its sender is told of the delay, and it expires; only that no host is asked. ETRN opens a domain for a while; ATRN gives
// the mail over the connection on which it was asked for, one message after the other.
#include <fmt/format.h>

#include <algorithm>

#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t glances_at_once = 200;
constexpr Duration attempt_patience{std::chrono::seconds(5)}, attempt_step{20};

}  // namespace

bool Queue::is_held(std::string_view domain) const {
  if (config_->domains.hold_for_etrn.empty() || !router_->tables().hold_for_etrn.matches(domain)) return false;
  return !held_.is_open(domain, std::chrono::system_clock::now());
}

void Queue::note_held(std::string_view domain, const spool::QueueId& id) {
  held_.add(domain, id);
  if (held_.is_crowded()) forget_held();
}

void Queue::forget_held() {
  held_.forget([this](const spool::QueueId& id) { return !spool.contains(id); });
}

// Messages with a waiting recipient in one of the nodes: of the spool's the envelope is looked at, of those that aliases lead
// there an attempt has told. Nullopt: somebody else is looking, which takes all of a thread.
event::Task<std::optional<std::unordered_set<spool::QueueId>>> Queue::find_waiting(std::vector<Node> nodes) {
  if (looking_for_held_) co_return std::nullopt;
  looking_for_held_ = true;
  std::unordered_set<spool::QueueId> out;
  forget_held();
  for (const Node& node : nodes) out.merge(held_.of(node));
  std::vector<spool::QueueId> all = ids();
  for (std::size_t at = 0; at < all.size() && !stopping_; at += glances_at_once) {
    std::vector<spool::Spool::Whereabouts> places;
    for (std::size_t i = at; i < std::min(all.size(), at + glances_at_once); ++i) places.push_back(spool.place_of(all[i]));
    auto look = [&] {
      for (const auto& place : places) {
        auto message = spool.glance(place);
        if (message && waits_in(**message, nodes)) out.insert(place.id());
      }
      return true;
    };
    co_await blocking.run(look);
  }
  looking_for_held_ = false;
  co_return out;
}

bool Queue::waits_in(const spool::Message& message, const std::vector<Node>& nodes) {
  if (message.progress.frozen) return false;
  const auto& recipients = message.envelope.recipients;
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    if (message.progress.recipients[i].settled()) continue;
    const std::string& domain = recipients[i].address.domain().key();
    if (std::ranges::any_of(nodes, [&](const Node& node) { return node.has(domain); })) return true;
  }
  return false;
}

// Is any mail of the node ever held? Of others nothing is started: it goes by itself.
bool Queue::is_fetched(const Node& node) const {
  const auto& list = router_->tables().hold_for_etrn;
  if (list.matches(node.domain)) return true;
  if (!node.below) return false;
  const auto& patterns = config_->domains.hold_for_etrn;
  return list.matches("x." + node.domain) || std::ranges::any_of(patterns, [&](const std::string& pattern) { return node.has(pattern); });
}

event::Task<std::optional<std::size_t>> Queue::start_node(Node node, std::string by) {
  std::vector<Node> nodes{node};
  auto found = co_await find_waiting(std::move(nodes));
  if (!found) co_return std::nullopt;
  if (found->empty()) co_return std::size_t(0);
  log.notice(fmt::format("ETRN by {}: {} messages for {}{} are sent now", by, found->size(), node.below ? "@" : "", node.domain));
  held_.open(std::move(node), std::chrono::system_clock::now());
  run_now(*found);
  co_return found->size();
}

// ---- ATRN

// Takes the message away from wherever it stands in the queue, for an attempt of our own.
bool Queue::take_aside(const spool::QueueId& id) {
  if (!spool.contains(id) || !hold(id)) return false;
  lanes_.remove(id);
  waiting_.extract([&](const Waiting& one) { return one.id == id; });
  return true;
}

event::Task<std::size_t> Queue::give_over(deliver::Turned* turned, std::unordered_set<spool::QueueId> ids, std::vector<Node> nodes) {
  std::vector<spool::QueueId> in_order(ids.begin(), ids.end());
  std::ranges::sort(in_order);
  std::size_t tried = 0;
  event::Timer timer(loop);
  auto patience = event::Deadline::in(attempt_patience);        // for all of them
  for (const spool::QueueId& id : in_order) {
    if (stopping_ || !turned->usable()) break;
    bool ours = take_aside(id);
    // What has just come is under way, to be found held. A longer attempt is for others: next time.
    while (!ours && is_under_way(id) && !stopping_ && !patience.passed()) {
      co_await timer.sleep(attempt_step);
      ours = take_aside(id);
    }
    if (!ours) continue;
    ++tried;
    Lanes::Started started;
    started.entry.id = id;
    started.entry.hurried = true;
    started.lane = unsorted_lane();
    started.seated = false;
    After after;
    auto message = co_await load(&started, &after);
    if (message != nullptr) {
      Attempt attempt(*this, message, &started, false);
      attempt.give_over(turned, &nodes);
      after = co_await attempt.run();
    }
    let_go(id, after);
    attempt_ended_.fire();
  }
  co_return tried;
}

// ---- an attempt

void Attempt::give_over(deliver::Turned* turned, const std::vector<Node>* nodes) {
  turned_ = turned;
  nodes_ = nodes;
}

// Only what is for the other side; the rest of the message takes its usual way afterwards.
event::Task<> Attempt::deliver_over_turned() {
  std::vector<Place*> places;
  SiteJob job;
  for (auto& [key, place] : places_) {
    if (place->done) continue;
    const std::string& domain = place->destination.address.domain().key();
    bool theirs = place->destination.kind == route::DestinationKind::remote && std::ranges::any_of(*nodes_, [&](const Node& node) { return node.has(domain); });
    if (theirs) places.push_back(place.get());
    else place->parked = true;
  }
  if (!places.empty()) job.transport = places.front()->destination.transport;
  while (!places.empty()) {
    deliver::RemoteRequest request = make_request(&job, places);
    auto outcome = co_await queue_.remote.deliver_over(turned_, &request);
    bool any = take_outcome(outcome, &places);
    if (any && !places.empty()) co_await keep_progress();
  }
}

// Takes the places of a job that wait until they are asked for out of it: deferred without a word to any host. An admin who
// forces a message out needn't ask.
void Attempt::defer_held(SiteJob* job) {
  if (config_->domains.hold_for_etrn.empty() || started_->entry.forced) return;
  auto is_held = [&](Place* place) {
    const std::string& domain = place->destination.address.domain().key();
    if (!queue_.is_held(domain)) return false;
    queue_.note_held(domain, message_->id);
    place->ours = true;
    place->number = log::Phase::host_retry;
    place->status = Status(450, 4, 0, "mail for " + domain + " waits until its host asks for it (ETRN, ATRN)");
    log_outcome(*place);
    return true;
  };
  std::erase_if(job->places, is_held);
}

}  // namespace mansio::queue
