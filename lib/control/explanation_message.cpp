// One message of the queue: what is known of it, what it waits for, and the plan for those that wait.
#include "base/unix_time.hpp"
#include "config/places.hpp"
#include "control/explanation.hpp"

namespace mansio::control {
namespace {

const char* word_of(spool::RecipientState state) {
  switch (state) {
    case spool::RecipientState::waiting: return "waiting";
    case spool::RecipientState::delivered: return "delivered";
    case spool::RecipientState::failed: return "failed";
  }
  return "";
}

nlohmann::json envelope_facts(const mail::Envelope& envelope) {
  nlohmann::json out;
  out["sender"] = envelope.sender_text();
  out["received"] = unix_seconds(envelope.received);
  out["helo"] = envelope.helo;
  out["client"] = envelope.client_address;
  out["client_port"] = envelope.client_port;
  out["protocol"] = envelope.protocol;
  out["user"] = envelope.user;
  if (!envelope.reply_to_id.empty()) out["reply_to_id"] = envelope.reply_to_id;
  return out;
}

}  // namespace

event::Task<Explanation::Json> Explanation::message(std::shared_ptr<spool::Message> message) {
  const mail::Envelope& envelope = message->envelope;
  const spool::Progress& progress = message->progress;
  Time now = std::chrono::system_clock::now();
  Json out;
  out["id"] = message->id.text();
  out["now"] = unix_seconds(now);
  out["envelope"] = envelope_facts(envelope);
  out["size"] = message->size();
  out["attempts"] = progress.attempts;
  out["frozen"] = progress.frozen;
  if (!progress.transport.empty()) out["rerouted_to"] = progress.transport;
  out["next_attempt"] = unix_seconds(progress.next_attempt);
  out["under_way"] = queue_.is_under_way(message->id);
  out["waits_for"] = queue_.why_waiting(*message);
  out["recipients"] = Json::array();
  std::size_t plans = 0;
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    const spool::RecipientProgress& recipient = progress.recipients[i];
    Json one;
    one["address"] = envelope.recipients[i].address.text();
    one["state"] = word_of(recipient.state);
    if (recipient.settled() || progress.attempts > 0) one["last"] = describe_status(recipient.last);
    one["host"] = recipient.host;
    if (!recipient.settled() && ++plans <= most_plans_shown) {
      mail::Address address = envelope.recipients[i].address;
      std::string sender = envelope.sender_text(), transport = progress.transport;
      Json plan = co_await this->plan(std::move(address), std::move(sender), std::move(transport));
      plan["retry"] = retry(envelope.recipients[i].address.domain(), envelope.received, now);
      one["plan"] = std::move(plan);
    }
    out["recipients"].push_back(std::move(one));
  }
  if (plans > most_plans_shown) out["plans_left_out"] = plans - most_plans_shown;
  out["sites"] = sites_;
  co_return out;
}

}  // namespace mansio::control
