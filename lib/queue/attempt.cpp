#include "queue/attempt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/encoding.hpp"
#include "base/text.hpp"
#include "queue/schedule.hpp"

namespace mansio::queue {
namespace {

// A place has to be known again in a later attempt: 64 bits of what it is and whom it is for.
std::uint64_t place_number(const std::string& key) { return checksum(key); }

Status not_yet() { return Status(451, 4, 0, "no remote transport yet: the message waits in the queue"); }

}  // namespace

Attempt::Attempt(Queue& queue, std::shared_ptr<spool::Message> message)
    : queue_(queue), message_(std::move(message)), config_(queue.config()), router_(queue.router()),
      started_(std::chrono::system_clock::now()), places_of_(message_->envelope.recipients.size()),
      refused_(message_->envelope.recipients.size()),
      scope_([this](std::exception_ptr e) { queue_.exception(e); }) {}

event::Task<std::optional<Time>> Attempt::run() {
  for (std::size_t i = 0; i < message_->envelope.recipients.size(); ++i) {
    if (!message_->progress.recipients[i].settled()) co_await resolve(i);
  }
  // Expiry must not depend on what this attempt does to the list: iterate over a copy of the places.
  std::vector<Place*> places;
  for (auto& [key, place] : places_) places.push_back(place.get());
  for (Place* place : places) {
    if (!place->done) scope_.spawn(deliver(place));
  }
  co_await scope_.join();
  auto next = co_await conclude();
  co_return next;
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
  for (route::Destination& destination : resolution.destinations) add_place(recipient, std::move(destination));
}

void Attempt::add_place(std::size_t recipient, route::Destination destination) {
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

deliver::Job Attempt::make_job(const route::Destination& destination) const {
  deliver::Job job;
  const mail::Envelope& envelope = message_->envelope;
  switch (destination.kind) {
    case route::DestinationKind::program: job.kind = deliver::JobKind::pipe; break;
    case route::DestinationKind::file: job.kind = deliver::JobKind::mbox; break;
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
  return job;
}

event::Task<> Attempt::deliver(Place* place) {
  const route::Destination& destination = place->destination;
  // A forwarding loop: this address has had the message already (S-141).
  bool looping = std::ranges::any_of(message_->envelope.delivered_to, [&](const std::string& address) {
    return iequals(trim(address), destination.address.text());
  });
  if (destination.kind == route::DestinationKind::discard) {
    place->status = Status(250, 0, 0, "discarded");
  } else if (destination.kind == route::DestinationKind::remote || destination.kind == route::DestinationKind::drop) {
    place->status = not_yet();
  } else if (looping) {
    place->status = Status(554, 4, 6, "the message has been delivered to " + destination.address.text() + " already: forwarding loop");
  } else {
    deliver::Job job = make_job(destination);
    spool::Content content = message_->content;
    auto answer = co_await queue_.agents.run(std::move(job), std::move(content));
    place->status = answer.status;
  }
  place->done = place->status.ok();
  log_outcome(*place);
  if (!place->done || places_.size() == 1) co_return;
  message_->progress.done_places.push_back(place_number(destination.key()));
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
  }
}

// ---- the end of the attempt

Time Attempt::expiry() const {
  Time last = message_->envelope.received;
  for (const auto& rule : config_->retry) last = std::max(last, message_->envelope.received + rule.schedule.back().until);
  return last;
}

// The soonest next attempt that any waiting recipient's rule gives; nullopt: the last one's time is over.
std::optional<Time> Attempt::next_time() const {
  std::optional<Time> next;
  Time now = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < places_of_.size(); ++i) {
    if (message_->progress.recipients[i].settled()) continue;
    const config::RetryRule* rule = rule_for(config_->retry, message_->envelope.recipients[i].address.domain().key());
    auto time = rule != nullptr ? next_attempt(rule->schedule, message_->envelope.received, now) : std::optional<Time>(now + std::chrono::minutes(15));
    if (time && (!next || *time < *next)) next = time;
  }
  return next;
}

event::Task<std::optional<Time>> Attempt::conclude() {
  conclude_recipients();
  std::vector<std::size_t> failed, late;
  auto& progress = message_->progress;
  Time now = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < progress.recipients.size(); ++i) {
    auto& recipient = progress.recipients[i];
    if (recipient.settled()) continue;
    // The worst news that is not final decides: a recipient is given up only when nothing of it may still arrive.
    std::optional<Status> waiting, given_up;
    auto take = [&](const Status& status) {
      if (status.temporary()) waiting = status;
      else if (status.permanent()) given_up = status;
    };
    if (refused_[i]) take(*refused_[i]);
    for (const Place* place : places_of_[i]) take(place->status);
    if (!waiting && !given_up) waiting = Status(451, 3, 0, "the recipient leads nowhere at the moment");
    const config::RetryRule* rule = rule_for(config_->retry, message_->envelope.recipients[i].address.domain().key());
    bool expired = waiting && rule != nullptr && !next_attempt(rule->schedule, message_->envelope.received, now);
    if (expired) {
      given_up = Status(550, 4, 7, "retry time exceeded; the last attempt said: " + waiting->line());
      log_refusal(i, *given_up);
    }
    recipient.last = waiting && !expired ? *waiting : *given_up;
    if (waiting && !expired) late.push_back(i);
    else failed.push_back(i);
  }
  ++progress.attempts;
  if (!failed.empty()) {
    auto reported = co_await report(failed, mail::DsnAction::failed, std::nullopt);
    if (!reported) {
      // D-073: no report, no settling. The recipients stay, to be failed again when there is room.
      queue_.log.panic(fmt::format("{}: a bounce could not be queued: {}", message_->id.text(), reported.error().text()));
      failed.clear();
    }
    for (std::size_t i : failed) progress.recipients[i].state = spool::RecipientState::failed;
  }
  if (progress.finished()) {
    std::string id = message_->id.text();
    Duration queue_time = std::chrono::duration_cast<Duration>(now - message_->envelope.received);
    auto finished = co_await queue_.spool.finish(message_);
    if (!finished) {
      queue_.log.panic(fmt::format("{}: the end could not be recorded: {}", id, finished.error().text()));
      co_return now + after_trouble;
    }
    log::Completed completed;
    completed.id = id;
    completed.queue_time = queue_time;
    queue_.log.write(std::move(completed));
    co_return std::nullopt;
  }
  bool due = config_->delay_warning > Duration(0) && now - message_->envelope.received >= config_->delay_warning;   // 0: never
  if (due && !progress.delay_warned && !late.empty()) {
    progress.delay_warned = true;
    auto warned = co_await report(late, mail::DsnAction::delayed, expiry());
    if (!warned) progress.delay_warned = false;
  }
  auto next = next_time();
  progress.next_attempt = next ? *next : now + after_trouble;
  message_->repeated = true;
  auto kept = co_await queue_.spool.defer(message_);
  if (!kept) {
    queue_.log.panic(fmt::format("{}: could not be moved to deferred/: {}", message_->id.text(), kept.error().text()));
    co_return now + after_trouble;
  }
  co_return progress.next_attempt;
}

event::Task<Result<>> Attempt::report(std::vector<std::size_t> recipients, mail::DsnAction kind, std::optional<Time> expires) {
  std::vector<Reported> all;
  for (std::size_t i : recipients) all.emplace_back(i, kind, message_->progress.recipients[i].last);
  auto due = reportable(*message_, std::move(all));
  if (due.empty()) co_return Result<>();
  std::uint64_t limit = config_->bounce_return_size.bytes();
  auto read = [&] { return read_original(*message_, limit, kind); };
  auto original = co_await queue_.blocking.run(read);
  spool::Writer writer = queue_.spool.new_message();
  Time now = std::chrono::system_clock::now();
  std::string message_id = fmt::format("{}@{}", writer.id().text(), config_->host_name);
  Report report = make_report(*message_, due, std::move(original), *config_, message_id, now, expires);
  auto written = co_await writer.append(report.content);
  if (!written) co_return written;
  auto stored = co_await writer.commit(std::move(report.envelope), std::string());
  if (!stored) co_return std::unexpected(stored.error());
  log::Arrival arrival;
  arrival.id = (*stored)->id.text();
  arrival.reply_to_id = message_->id.text();
  arrival.protocol = "local";
  arrival.size = (*stored)->size();
  arrival.recipients.push_back(message_->envelope.sender_text());
  queue_.log.write(std::move(arrival));
  queue_.accept(std::move(*stored));
  co_return Result<>();
}

// ---- the log

void Attempt::log_outcome(const Place& place) {
  const route::Destination& destination = place.destination;
  std::string address = destination.address.text(), original = destination.original.text();
  if (destination.kind == route::DestinationKind::file) address = destination.path;
  if (destination.kind == route::DestinationKind::program && !destination.transport) address = "|" + destination.command.front();
  if (original == address) original.clear();
  std::string transport = destination.transport ? destination.transport->name : destination.kind == route::DestinationKind::program ? "pipe" : "file";
  if (destination.kind == route::DestinationKind::discard) transport = ":blackhole:";
  if (place.status.permanent()) {
    log::Failure failure;
    failure.id = message_->id.text();
    failure.address = address;
    failure.original = original;
    failure.route = destination.route;
    failure.transport = transport;
    failure.text = place.status.line();
    queue_.log.write(std::move(failure));
  } else if (place.status.temporary()) {
    log::Deferral deferral;
    deferral.id = message_->id.text();
    deferral.address = address;
    deferral.original = original;
    deferral.route = destination.route;
    deferral.transport = transport;
    deferral.number = destination.kind == route::DestinationKind::remote ? log::Phase::host_retry : log::Phase::local_retry;
    deferral.text = place.status.line();
    queue_.log.write(std::move(deferral));
  } else {
    log::Delivery delivery;
    delivery.id = message_->id.text();
    delivery.mark = first_logged_ ? log::Delivery::Mark::further : log::Delivery::Mark::first;
    first_logged_ = true;
    delivery.address = address;
    delivery.original = original;
    delivery.sender = message_->envelope.sender_text();
    delivery.route = destination.route;
    delivery.transport = transport;
    delivery.size = message_->size();
    delivery.queue_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - message_->envelope.received);
    delivery.delivery_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - started_);
    queue_.log.write(std::move(delivery));
  }
}

void Attempt::log_refusal(std::size_t recipient, const Status& status) {
  std::string address = message_->envelope.recipients[recipient].address.text();
  if (status.temporary()) {
    log::Deferral deferral;
    deferral.id = message_->id.text();
    deferral.address = address;
    deferral.number = log::Phase::local_retry;
    deferral.text = status.line();
    queue_.log.write(std::move(deferral));
    return;
  }
  log::Failure failure;
  failure.id = message_->id.text();
  failure.address = address;
  failure.text = status.line();
  queue_.log.write(std::move(failure));
}

}  // namespace mansio::queue
