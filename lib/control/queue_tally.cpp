#include "control/queue_tally.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/unix_time.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;

std::size_t column_of(Duration age) {
  std::size_t column = 0;
  while (column < QueueTally::minutes.size() && age >= std::chrono::minutes(QueueTally::minutes[column])) ++column;
  return column;
}

// Domains of the recipients that wait, each once.
std::set<std::string> waiting_domains(const spool::Message& message) {
  std::set<std::string> out;
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    if (!message.progress.recipients[i].settled()) out.insert(message.envelope.recipients[i].address.domain().key());
  }
  return out;
}

}  // namespace

std::optional<QueueTally::By> QueueTally::parse_by(std::string_view text) {
  if (text.empty() || text == "destination") return By::destination;
  if (text == "recipient-domain") return By::recipient_domain;
  if (text == "sender-domain") return By::sender_domain;
  return std::nullopt;
}

void QueueTally::Row::count(const QueueWalk::Found& found, std::size_t age) {
  ++ages[age];
  ++states[state_of(found.standing)];
  ++messages;
  bytes += found.message->size();
  if (found.standing.closed_until <= closed_until) return;
  closed_until = found.standing.closed_until;
  why = found.standing.why;
}

void QueueTally::Row::add(const Row& other) {
  for (std::size_t i = 0; i < ages.size(); ++i) ages[i] += other.ages[i];
  for (std::size_t i = 0; i < states.size(); ++i) states[i] += other.states[i];
  messages += other.messages;
  bytes += other.bytes;
  if (other.closed_until <= closed_until) return;
  closed_until = other.closed_until;
  why = other.why;
}

void QueueTally::Row::add(const Json& object) {
  auto number = [&](const char* key) {
    auto at = object.find(key);
    return at != object.end() && at->is_number_integer() && *at > 0 ? at->get<std::uint64_t>() : 0;
  };
  Row other;
  other.messages = number("messages");
  other.bytes = number("bytes");
  auto found = object.find("ages");
  for (std::size_t i = 0; found != object.end() && found->is_array() && i < std::min(found->size(), other.ages.size()); ++i) {
    if ((*found)[i].is_number_unsigned()) other.ages[i] = (*found)[i].get<std::uint64_t>();
  }
  for (std::size_t i = 0; i < other.states.size(); ++i) other.states[i] = number(state_names[i]);
  other.closed_until = from_unix(number("closed_until"));
  if (object.contains("closed_why") && object["closed_why"].is_string()) other.why = object["closed_why"].get<std::string>();
  add(other);
}

Json QueueTally::Row::object() const {
  Json out;
  out["messages"] = messages;
  out["bytes"] = bytes;
  out["ages"] = ages;
  for (std::size_t i = 0; i < states.size(); ++i) out[state_names[i]] = states[i];
  return out;
}

void QueueTally::add(const QueueWalk::Found& found, Time now) {
  const auto& envelope = found.message->envelope;
  std::size_t age = column_of(std::chrono::duration_cast<Duration>(now - envelope.received));
  total_.count(found, age);
  switch (by_) {
    case By::destination: rows_[found.standing.destination].count(found, age); break;
    case By::sender_domain: rows_[envelope.sender ? envelope.sender->domain().key() : "<>"].count(found, age); break;
    case By::recipient_domain:
      for (const std::string& domain : waiting_domains(*found.message)) rows_[domain].count(found, age);
      break;
  }
}

void QueueTally::add(const QueueTally& other) {
  total_.add(other.total_);
  for (const auto& [name, row] : other.rows_) rows_[name].add(row);
}

void QueueTally::add(const Json& object) {
  if (!object.is_object()) return;
  auto name = object.find("name");
  if (object.contains("total")) total_.add(object);
  else if (name != object.end() && name->is_string()) rows_[name->get<std::string>()].add(object);
}

std::vector<Json> QueueTally::objects() const {
  std::vector<const std::pair<const std::string, Row>*> sorted;
  for (const auto& row : rows_) sorted.push_back(&row);
  std::ranges::stable_sort(sorted, [](const auto* a, const auto* b) { return a->second.messages > b->second.messages; });
  std::vector<Json> out;
  for (const auto* row : sorted) {
    Json object = row->second.object();
    object["name"] = row->first;
    // Of senders' domains nothing is closed.
    if (by_ != By::sender_domain && row->second.closed_until != Time()) {
      object["closed_until"] = unix_seconds(row->second.closed_until);
      object["closed_why"] = row->second.why;
    }
    out.push_back(std::move(object));
  }
  Json total = total_.object();
  total["total"] = true;
  out.push_back(std::move(total));
  return out;
}

}  // namespace mansio::control
