#include "control/queue_walk.hpp"

#include <algorithm>

namespace mansio::control {
namespace {

constexpr unsigned readers = 4;                     // bundles of a round, too
constexpr std::size_t first_bundle = 50, later_bundle = 500;

}  // namespace

QueueWalk::QueueWalk(queue::Queue& queue, Selection selection, Time now)
    : queue_(queue), selection_(std::move(selection)), now_(now), readers_(queue.loop, "listing", readers), complete_(!queue.spool.recovering()) {
  auto exact = selection_.exact_ids();
  ids_ = exact ? std::move(*exact) : queue_.spool.ids();
  if (exact) in_order_ = ids_.size();
}

// A million ids take a while to sort: the first ones come before that.
event::Task<> QueueWalk::sort() {
  constexpr std::size_t first = 1000;
  std::size_t end = in_order_ == 0 ? std::min(first, ids_.size()) : ids_.size();
  auto work = [&] {
    auto begin = ids_.begin() + static_cast<std::ptrdiff_t>(in_order_), middle = ids_.begin() + static_cast<std::ptrdiff_t>(end);
    if (middle == ids_.end()) std::sort(begin, middle);
    else std::partial_sort(begin, middle, ids_.end());
    return true;
  };
  co_await readers_.run(work);
  in_order_ = end;
}

event::Task<bool> QueueWalk::next() {
  bundles_.clear();
  if (!sorted) in_order_ = ids_.size();
  if (at_ >= in_order_ && at_ < ids_.size()) co_await sort();
  std::size_t size = at_ == 0 ? first_bundle : later_bundle;
  bundles_.reserve(readers);
  while (at_ < in_order_ && bundles_.size() < readers) {
    std::size_t end = std::min(at_ + size, in_order_);
    bundles_.emplace_back();
    bundles_.back().ids.assign(ids_.begin() + static_cast<std::ptrdiff_t>(at_), ids_.begin() + static_cast<std::ptrdiff_t>(end));
    at_ = end;
  }
  event::Scope scope([this](std::exception_ptr e) { queue_.exception(e); });
  for (Bundle& bundle : bundles_) scope.spawn(read(&bundle));
  co_await scope.join();
  co_return !bundles_.empty();
}

bool QueueWalk::is_meant(const spool::Message& message) const {
  return selection_.matches(message, now_) && (!visible || visible(message));
}

// On a thread.
void QueueWalk::look(const std::vector<spool::Spool::Whereabouts>& places, Bundle* bundle, std::vector<spool::QueueId>* unreadable) const {
  for (const auto& place : places) {
    if (!selection_.may_match(place.id(), now_)) continue;
    auto message = queue_.spool.glance(place);
    if (message && is_meant(**message)) bundle->found.emplace_back(std::move(*message));
    if (!message && message.error().fault() != Fault::not_found) unreadable->push_back(place.id());
  }
}

event::Task<> QueueWalk::read(Bundle* bundle) {
  std::vector<spool::Spool::Whereabouts> places;
  places.reserve(bundle->ids.size());
  for (const auto& id : bundle->ids) {
    if (queue_.spool.contains(id)) places.push_back(queue_.spool.place_of(id));
  }
  std::vector<spool::QueueId> unreadable;
  auto work = [&] {
    look(places, bundle, &unreadable);
    return true;
  };
  co_await readers_.run(work);
  places.clear();
  if (!unreadable.empty()) co_await look_closer(&unreadable, bundle);
  for (Found& one : bundle->found) one.standing = queue_.standing(*one.message, now_);
  std::erase_if(bundle->found, [&](const Found& one) { return !selection_.matches_destination(one.standing.destination); });
}

// The spool says what is wrong with them, and puts aside what is damaged.
event::Task<> QueueWalk::look_closer(const std::vector<spool::QueueId>* unreadable, Bundle* bundle) {
  for (const auto& id : *unreadable) {
    auto message = co_await queue_.spool.load(id);
    if (message && is_meant(**message)) bundle->found.emplace_back(std::move(*message));
  }
}

event::Task<> QueueWalk::on_threads(const std::function<void(Bundle&)>* work) {
  event::Scope scope([this](std::exception_ptr e) { queue_.exception(e); });
  for (Bundle& bundle : bundles_) scope.spawn(work_on(&bundle, work));
  co_await scope.join();
}

event::Task<> QueueWalk::work_on(Bundle* bundle, const std::function<void(Bundle&)>* work) {
  auto job = [&] {
    (*work)(*bundle);
    return true;
  };
  co_await readers_.run(job);
}

}  // namespace mansio::control
