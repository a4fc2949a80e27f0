// The part of an attempt that gives a message to other hosts: next hops, their sites, one delivery a site.
#include <fmt/format.h>

#include <algorithm>

#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {

using Reach = deliver::RemoteOutcome::Reach;

int number_of(smtp::Stage stage) {
  switch (stage) {
    case smtp::Stage::mail: return log::Phase::mail;
    case smtp::Stage::rcpt: return log::Phase::rcpt;
    case smtp::Stage::data: case smtp::Stage::end_of_data: return log::Phase::data;
    default: return 0;
  }
}

// "Too many recipients", to one of several: it is asked again in a transaction of its own (RFC 5321 §4.5.3.1.10).
bool is_one_too_many(const Status& status, smtp::Stage stage) { return status.code() == 452 && stage == smtp::Stage::rcpt; }

}  // namespace

event::Task<> Attempt::deliver_remote() {
  std::map<std::string, SiteJob*> next_hops;
  for (auto& [key, place] : places_) {
    const route::Destination& destination = place->destination;
    if (place->done || destination.kind != route::DestinationKind::remote) continue;
    std::string hop = destination.transport->key();
    if (destination.transport->by_mx()) hop += " " + destination.address.domain().key();
    auto tls = queue_.remote.demand(config_, *destination.transport, destination.address.domain());
    hop += " " + tls.key();
    SiteJob*& job = next_hops[hop];
    if (job == nullptr) {
      sites_.push_back(std::make_unique<SiteJob>());
      job = sites_.back().get();
      job->transport = destination.transport;
      job->tls = std::move(tls);
    }
    job->places.push_back(place.get());
  }
  for (auto& job : sites_) {
    park_paused(job.get());
    defer_held(job.get());
  }
  bool nothing_left = std::ranges::all_of(sites_, [](const auto& job) { return job->places.empty(); });
  if (nothing_left) co_return;
  if (sites_.size() == 1) {
    auto search = find_site(sites_.front().get());
    co_await guard(std::move(search), sites_.front()->places);
  } else {
    event::Scope searches([this](std::exception_ptr e) { queue_.exception(e); });
    for (auto& job : sites_) {
      if (!job->places.empty()) searches.spawn(guard(find_site(job.get()), job->places));
    }
    co_await searches.join();
    merge_sites();
  }
  // A message with a single place to go waits in that place's lane; others wait here, so that what is done of them
  // isn't done again.
  bool patient = places_.size() > sites_.front()->places.size();
  for (auto& job : sites_) {
    if (!job->places.empty() && job->status.ok()) scope_.spawn(guard(deliver_to_site(job.get(), patient), job->places));
  }
}

// Failing to find the site of a domain closes the domain's own lane: one question serves all mail that waits for it.
event::Task<> Attempt::find_site(SiteJob* job) {
  mail::Domain domain = job->places.front()->destination.address.domain();
  auto answer = co_await queue_.finder.find(job->transport, domain);
  job->status = answer.status;
  auto own = queue_.domain_lane(*message_);
  bool alone = places_.size() == job->places.size();
  if (answer.status.ok()) {
    job->site = std::move(answer.site);
    job->lane = lane_key(job->site.key);
    if (own && alone) queue_.site_known(*own, job->lane);
    co_return;
  }
  for (Place* place : job->places) {
    place->status = answer.status;
    log_outcome(*place);
  }
  // Only the domain's own lane: local mailboxes, other destinations and other domains of the site are none of its business.
  if (!answer.status.temporary() || !alone || own != started_->lane) co_return;
  LaneKey lane = started_->lane;
  auto admission = co_await queue_.enter(lane, std::string(), 1, started_, false);
  if (admission != Lanes::Admission::admitted) co_return;
  queue_.leave(lane, Lanes::Visit::unreachable, answer.status, job->places.front()->destination);
  unreachable_ = lane;
}

void Attempt::merge_sites() {
  std::map<std::string, SiteJob*> first;
  for (auto& job : sites_) {
    if (!job->status.ok()) continue;
    auto [at, made] = first.try_emplace(job->transport->key() + " " + job->site.key + " " + job->tls.key(), job.get());
    if (made) continue;
    std::ranges::copy(job->places, std::back_inserter(at->second->places));
    job->places.clear();
  }
}

event::Task<> Attempt::deliver_to_site(SiteJob* job, bool patient) {
  park_paused(job);
  if (job->places.empty()) co_return;
  auto admission = co_await queue_.enter(job->lane, job->site.key, job->transport->connections, started_, patient);
  if (admission != Lanes::Admission::admitted) {
    hold_places(job, admission, patient);
    co_return;
  }
  Visited visited;
  const route::Destination& first = job->places.front()->destination;
  std::exception_ptr bug;
  try {
    co_await visit_site(job, patient, &visited);
  } catch (...) {
    bug = std::current_exception();
  }
  queue_.leave(job->lane, visited.visit, visited.why, first);        // also after a bug: others wait for the room
  if (bug) std::rethrow_exception(bug);
}

event::Task<> Attempt::visit_site(SiteJob* job, bool patient, Visited* visited) {
  park_paused(job);              // it may have waited long for room
  std::vector<Place*> places = job->places;
  while (!places.empty()) {
    auto outcome = co_await transact(job, &places);
    if (outcome.reach == Reach::reached) visited->visit = Lanes::Visit::reached;
    if (outcome.reach == Reach::unreachable && visited->visit == Lanes::Visit::neither) {
      visited->visit = Lanes::Visit::unreachable;
      visited->why = outcome.why;
      unreachable_ = job->lane;
    }
    bool done = take_outcome(outcome, &places);
    if (done && (patient || !places.empty())) co_await keep_progress();
  }
}

// No room, or out of reach: the places are not tried now.
void Attempt::hold_places(SiteJob* job, Lanes::Admission admission, bool patient) {
  bool closed = admission == Lanes::Admission::closed;
  bool park = !patient && !(closed && (last_look_ || started_->entry.forced));
  const Status* why = closed ? queue_.closed_why(job->lane) : nullptr;
  for (Place* place : job->places) {
    place->parked = park;
    if (park) continue;
    place->number = log::Phase::host_retry;
    if (why != nullptr) place->status = Status(451, 4, 1, "the destination could not be reached lately; the last try said: " + why->line());
    else place->status = Status(451, 4, 5, "the destination takes no more deliveries at once");
    log_outcome(*place);
  }
  if (park || closed) parked_in_ = job->lane;
}

deliver::RemoteRequest Attempt::make_request(const SiteJob* job, const std::vector<Place*>& places) const {
  deliver::RemoteRequest request;
  request.transport = job->transport;
  request.site = job->site;
  request.message = message_;
  request.helo_name = config_->host_name;
  request.tls = job->tls;
  for (const Place* place : places) request.recipients.push_back(remote_recipient(*place));
  return request;
}

event::Task<deliver::RemoteOutcome> Attempt::transact(const SiteJob* job, std::vector<Place*>* places) {
  deliver::RemoteRequest request = make_request(job, *places);
  auto outcome = co_await queue_.remote.deliver(&request);
  co_return outcome;
}

// RFC 3461 §5.2.7.3: a recipient that leads to one place takes its request along; one that leads to several asks each for
// all but success, which is told from here as "expanded".
deliver::RemoteRecipient Attempt::remote_recipient(const Place& place) const {
  const mail::Recipient& of = message_->envelope.recipients[place.recipients.front()];
  std::uint8_t notify = of.notify;
  if (places_of_[place.recipients.front()].size() > 1 && (notify & mail::Notify::success) != 0) {
    notify &= static_cast<std::uint8_t>(~mail::Notify::success);
    if (notify == 0) notify = mail::Notify::never;
  }
  return deliver::RemoteRecipient(place.destination.address, of.orcpt, notify);
}

// What a transaction decided; leaves in `places` those that another one has to ask for. True when a place got the message.
bool Attempt::take_outcome(const deliver::RemoteOutcome& outcome, std::vector<Place*>* places) {
  bool any_ok = std::ranges::any_of(outcome.recipients, [](const Status& s) { return s.ok(); });
  std::vector<Place*> again;
  bool progress = false;
  for (std::size_t i = 0; i < places->size(); ++i) {
    Place* place = (*places)[i];
    const Status& status = outcome.recipients[i];
    bool later = !outcome.tried[i] || (any_ok && is_one_too_many(status, outcome.stages[i]));
    if (later) {
      again.push_back(place);
      continue;
    }
    progress = true;
    place->status = status;
    place->host = outcome.host;
    place->ours = outcome.ours[i];
    place->number = number_of(outcome.stages[i]);
    place->tls = outcome.tls;
    place->auth = outcome.auth;
    place->pipelining = outcome.pipelining;
    place->chunking = outcome.chunking;
    place->done = status.ok();
    place->relayed_without_dsn = place->done && !outcome.dsn;
    log_outcome(*place);
    if (place->done && places_.size() > 1) message_->progress.done_places.push_back(place_number(place->destination.key()));
  }
  if (!progress) again.clear();        // nothing moves: the rest keeps its "not tried", a 4xx
  *places = std::move(again);
  return any_ok;
}

}  // namespace mansio::queue
