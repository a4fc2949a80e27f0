// The part of an attempt that makes files of drop directories: one for all of the message's receivers there. The file names
// them, so what is kept as done is who had it, not that the directory had one: a receiver that is found to lead there only
// later (a look-up that failed at first) gets a file of its own.
#include <algorithm>

#include "mail/x_lines.hpp"
#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t receivers_limit = 96u << 10;       // octets of one file's addresses: deliver::max_prefix with all lines
constexpr std::size_t line_overhead = 14;                // "X-Receiver: " and CRLF

}  // namespace

std::string Attempt::drop_key(const route::Destination& directory, const mail::Address& receiver) {
  route::Destination one = directory;
  one.address = receiver;
  return one.key();
}

// What is known of a delivery afterwards.
std::vector<std::uint64_t> Attempt::numbers_of(const Place& place) const {
  std::vector<std::uint64_t> out;
  for (const Receiver& one : place.receivers) out.push_back(place_number(drop_key(place.destination, one.address)));
  if (out.empty()) out.push_back(place_number(place.destination.key()));
  return out;
}

// Nothing else of the message waits, so that the end of the attempt says it all.
bool Attempt::is_the_only(const Place& place) const {
  if (places_.size() > 1) return false;
  return std::ranges::none_of(place.recipients, [&](std::size_t i) { return refused_[i].has_value(); });
}

void Attempt::add_drop(std::size_t recipient, route::Destination destination) {
  const auto& known = message_->progress.done_places;
  bool done = std::ranges::find(known, place_number(destination.key())) != known.end();
  std::string key = "drop " + destination.path + (done ? " done" : "");
  std::string address = destination.address.text();
  // A file's lines are bounded: some thousand receivers take several.
  for (auto at = places_.find(key); at != places_.end() && at->second->receivers_size > receivers_limit; at = places_.find(key)) key += "+";
  auto& place = places_[key];
  if (!place) {
    place = std::make_unique<Place>(destination);
    place->done = done;
    if (done) place->status = Status(250, 0, 0, "delivered earlier");
  }
  if (place->receiver_texts.insert(address).second) {
    place->receivers.emplace_back(destination.address, destination.original);
    place->receivers_size += address.size() + line_overhead;
  }
  if (place->recipients.empty() || place->recipients.back() != recipient) {
    place->recipients.push_back(recipient);
    places_of_[recipient].push_back(place.get());
  }
}

void Attempt::make_drop_job(const Place& place, deliver::Job& job) const {
  const config::Transport& transport = *place.destination.transport;
  std::vector<std::string> receivers;
  for (const Receiver& one : place.receivers) receivers.push_back(one.address.text());
  std::string sender = message_->envelope.sender_text();
  job.prefix = mail::format_x_lines(sender, receivers) + "Return-Path: <" + sender + ">\r\n" + message_->head;
  job.name = message_->id.text() + ".eml";
  job.owner = transport.owner;
  job.mode = 0;
  for (char digit : transport.mode) job.mode = job.mode * 8 + static_cast<std::uint32_t>(digit - '0');      // as the check left it
  job.quota = transport.quota.bytes();
  job.quota_files = transport.quota_files;
}

}  // namespace mansio::queue
