#include "queue/attempt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/encoding.hpp"
#include "base/sabotage.hpp"
#include "base/text.hpp"
#include "queue/schedule.hpp"

namespace mansio::queue {

// A place has to be known again in a later attempt: 64 bits of what it is and whom it is for.
std::uint64_t place_number(const std::string& key) { return checksum(key); }

Attempt::Attempt(Queue& queue, std::shared_ptr<spool::Message> message, Lanes::Started* started, bool last_look)
    : queue_(queue), message_(std::move(message)), started_(started), last_look_(last_look), config_(queue.config()), router_(queue.router()),
      started_at_(std::chrono::system_clock::now()), places_of_(message_->envelope.recipients.size()),
      refused_(message_->envelope.recipients.size()), delivered_now_(message_->envelope.recipients.size()),
      scope_([this](std::exception_ptr e) { queue_.exception(e, message_->id.text() + ": "); }) {}

event::Task<After> Attempt::run() {
  std::exception_ptr bug;
  try {
    co_await deliver_all();
  } catch (...) {
    bug = std::current_exception();
  }
  co_await scope_.join();
  if (bug) {
    conclude_recipients();
    std::rethrow_exception(bug);
  }
  auto after = co_await conclude();
  co_return after;
}

event::Task<> Attempt::deliver_all() {
  for (std::size_t i = 0; i < message_->envelope.recipients.size(); ++i) {
    if (!message_->progress.recipients[i].settled()) co_await resolve(i);
  }
  if (turned_ != nullptr) co_await deliver_over_turned();
  bool remote = false;
  for (auto& [key, place] : places_) {
    if (place->done || turned_ != nullptr) continue;
    if (place->destination.kind == route::DestinationKind::remote) remote = true;
    else scope_.spawn(guard(deliver(place.get()), {place.get()}));
  }
  if (remote) co_await deliver_remote();
}

// A bug while something is done for these places: it is told, they wait, and nothing else of the message does.
event::Task<> Attempt::guard(event::Task<> work, std::vector<Place*> places) {
  std::exception_ptr bug;
  try {
    co_await std::move(work);
  } catch (...) {
    bug = std::current_exception();
  }
  if (!bug) co_return;
  queue_.exception(bug, message_->id.text() + ": a delivery ended by a bug of mansio, it is tried again: ");
  for (Place* place : places) {
    if (place->done || place->parked || place->status.permanent()) continue;
    place->broken = true;
    place->status = Status(451, 3, 0, "an error of mansio's own, of which the panic log tells");
    log_outcome(*place);
  }
}

// ---- routing

event::Task<> Attempt::resolve(std::size_t recipient) {
  auto resolution = co_await router_->resolve(message_->envelope.recipients[recipient].address, message_->envelope.sender_text());
  for (const route::Refusal& refusal : resolution.refusals) {
    // A refusal that may pass outweighs one that is final: unsure means defer.
    if (!refused_[recipient] || (refused_[recipient]->permanent() && refusal.status.temporary())) {
      refused_[recipient] = refusal.status;
    }
    log_refusal(recipient, refusal.status);
  }
  for (route::Destination& destination : resolution.destinations) {
    auto moved = reroute(destination);
    if (moved.ok()) {
      add_place(recipient, std::move(destination));
      continue;
    }
    if (!refused_[recipient] || refused_[recipient]->permanent()) refused_[recipient] = moved;
    log_refusal(recipient, moved);
  }
}

// An admin's word on what goes to other hosts: another transport, though not another place, so that what has been delivered
// there is known again. Should it be gone from the configuration, nothing is guessed.
Status Attempt::reroute(route::Destination& destination) const {
  const std::string& name = message_->progress.transport;
  if (name.empty() || destination.kind != route::DestinationKind::remote) return Status();
  const config::Transport* transport = config_->transport(name);
  bool network = transport != nullptr && (transport->kind == config::TransportKind::smtp || transport->kind == config::TransportKind::lmtp);
  if (!network) return Status(451, 3, 5, "the configuration has no transport \"" + name + "\" to other hosts, where an admin rerouted the message");
  destination.transport = std::shared_ptr<const config::Transport>(config_, transport);
  return Status();
}

void Attempt::add_place(std::size_t recipient, route::Destination destination) {
  if (destination.kind == route::DestinationKind::drop) return add_drop(recipient, std::move(destination));
  std::string key = destination.key();
  auto& place = places_[key];
  if (!place) {
    place = std::make_unique<Place>(std::move(destination));
    const auto& done = message_->progress.done_places;
    if (std::ranges::find(done, place_number(key)) != done.end()) {
      place->done = true;
      place->status = Status(250, 0, 0, "delivered earlier");
    }
  }
  place->recipients.push_back(recipient);
  places_of_[recipient].push_back(place.get());
}

// ---- delivering

deliver::Job Attempt::make_job(const Place& place) const {
  const route::Destination& destination = place.destination;
  deliver::Job job;
  const mail::Envelope& envelope = message_->envelope;
  switch (destination.kind) {
    case route::DestinationKind::program: job.kind = deliver::JobKind::pipe; break;
    case route::DestinationKind::file: job.kind = deliver::JobKind::mbox; break;
    case route::DestinationKind::drop: job.kind = deliver::JobKind::drop; break;
    default:
      job.kind = destination.transport->kind == config::TransportKind::mbox ? deliver::JobKind::mbox : deliver::JobKind::maildir;
  }
  // RFC 5321 §4.4: one Return-Path at final delivery, "<>" for the null sender.
  job.prefix = fmt::format("Return-Path: <{}>\r\nDelivered-To: {}\r\n", envelope.sender_text(), destination.address.text());
  job.prefix += message_->head;
  job.binary = envelope.body == mail::Body::binary;
  job.maybe_repeated = message_->repeated;
  job.uid = destination.uid;
  job.gid = destination.gid;
  job.user = destination.user;
  job.home = destination.home;
  job.path = destination.path;
  job.sender = envelope.sender_text();
  job.command = destination.command;
  job.environment = destination.environment;
  if (destination.transport) job.timeout = destination.transport->timeout;
  // The same at each attempt: a repeated delivery finds its own file.
  job.name = fmt::format("{}.{}_{}.{}", message_->id.seconds, message_->id.text(), hex_encode(place_number(destination.key())),
                         config_->host_name);
  if (!deliver::is_message_name(job.name)) job.name = job.name.substr(0, job.name.rfind('_') + 17);
  if (job.kind == deliver::JobKind::drop) make_drop_job(place, job);
  return job;
}

// A forwarding loop: this address has had the message already (S-141).
bool Attempt::is_looping(const route::Destination& destination) const {
  return std::ranges::any_of(message_->envelope.delivered_to, [&](const std::string& address) {
    return iequals(trim(address), destination.address.text());
  });
}

event::Task<> Attempt::deliver(Place* place) {
  const route::Destination& destination = place->destination;
  place->number = log::Phase::local_retry;
  if (destination.kind == route::DestinationKind::discard) {
    place->status = Status(250, 0, 0, "discarded");
  } else if (destination.kind != route::DestinationKind::drop && is_looping(destination)) {
    place->status = Status(554, 4, 6, "the message has been delivered to " + destination.address.text() + " already: forwarding loop");
  } else {
    if constexpr (sabotage == Sabotage::done) {
      place->done = true;
      co_await keep_progress();
    }
    deliver::Job job = make_job(*place);
    spool::Content content = message_->content;
    auto answer = co_await queue_.agents.run(std::move(job), std::move(content));
    place->status = answer.status;
  }
  place->done = place->status.ok();
  log_outcome(*place);
  if (!place->done || is_the_only(*place)) co_return;
  for (std::uint64_t number : numbers_of(*place)) message_->progress.done_places.push_back(number);
  co_await keep_progress();
}

// Several deliveries of one message: what is done is recorded while others go on, one record at a time for all that
// came meanwhile, so that a crash repeats only what was not recorded yet.
event::Task<> Attempt::keep_progress() {
  dirty_ = true;
  if (keeping_) co_return;
  keeping_ = true;
  while (dirty_) {
    dirty_ = false;
    conclude_recipients();
    auto kept = co_await queue_.spool.settle(message_);
    if (!kept) queue_.log.panic(fmt::format("{}: what was delivered could not be recorded: {}", message_->id.text(), kept.error().text()));
  }
  keeping_ = false;
}

// Recipients all of whose places have the message are done. Failures wait for the end: their report comes first (D-005).
void Attempt::conclude_recipients() {
  for (std::size_t i = 0; i < places_of_.size(); ++i) {
    auto& progress = message_->progress.recipients[i];
    if (progress.settled() || refused_[i] || places_of_[i].empty()) continue;
    if (!std::ranges::all_of(places_of_[i], [](const Place* p) { return p->done; })) continue;
    progress.state = spool::RecipientState::delivered;
    progress.last = places_of_[i].front()->status;
    delivered_now_[i] = true;
  }
}

}  // namespace mansio::queue
