// What an attempt says in the log.
#include "queue/attempt.hpp"

namespace mansio::queue {

void Attempt::log_outcome(const Place& place) {
  for (const Receiver& one : place.receivers) log_outcome_for(place, one.address, one.original);
  if (place.receivers.empty()) log_outcome_for(place, place.destination.address, place.destination.original);
}

void Attempt::log_outcome_for(const Place& place, const mail::Address& of, const mail::Address& from) {
  const route::Destination& destination = place.destination;
  std::string address = of.text(), original = from.text();
  if (destination.kind == route::DestinationKind::file) address = destination.path;
  if (destination.kind == route::DestinationKind::program && !destination.transport) address = "|" + destination.command.front();
  if (original == address) original.clear();
  std::string transport = destination.transport ? destination.transport->name : destination.kind == route::DestinationKind::program ? "pipe" : "file";
  if (destination.kind == route::DestinationKind::discard) transport = ":blackhole:";
  auto fill = [&](auto& event) {
    event.id = message_->id.text();
    event.address = address;
    event.original = original;
    event.route = destination.route;
    event.transport = transport;
    event.host = place.host;
  };
  if (place.status.permanent()) {
    log::Failure failure;
    fill(failure);
    failure.text = place.status.line();
    queue_.log.write(std::move(failure));
  } else if (place.status.temporary()) {
    log::Deferral deferral;
    fill(deferral);
    deferral.number = place.number;
    deferral.text = place.status.line();
    queue_.log.write(std::move(deferral));
  } else {
    log::Delivery delivery;
    fill(delivery);
    if (destination.kind == route::DestinationKind::remote) delivery.reply = place.status.line();
    delivery.tls = place.tls;
    delivery.auth = place.auth;
    delivery.pipelining = place.pipelining;
    delivery.chunking = place.chunking;
    delivery.mark = first_logged_ ? log::Delivery::Mark::further : log::Delivery::Mark::first;
    first_logged_ = true;
    delivery.sender = message_->envelope.sender_text();
    delivery.size = message_->size();
    delivery.queue_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - message_->envelope.received);
    delivery.delivery_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - started_at_);
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
