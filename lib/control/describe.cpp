#include "control/describe.hpp"

#include <algorithm>

#include "queue/schedule.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;

std::int64_t seconds_of(Time time) { return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count(); }

void add(Json& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = text;
}

const char* name_of(mail::Body body) {
  switch (body) {
    case mail::Body::seven_bit: return "7bit";
    case mail::Body::eight_bit: return "8bitmime";
    case mail::Body::binary: return "binarymime";
    default: return "";
  }
}

std::string notify_text(std::uint8_t notify) {
  std::string out;
  auto take = [&](std::uint8_t bit, const char* name) {
    if ((notify & bit) != 0) out += (out.empty() ? "" : ",") + std::string(name);
  };
  take(mail::Notify::never, "never");
  take(mail::Notify::success, "success");
  take(mail::Notify::failure, "failure");
  take(mail::Notify::delay, "delay");
  return out;
}

Json detail_of(const mail::Recipient& recipient, const spool::RecipientProgress& progress) {
  Json out;
  out["address"] = recipient.address.text();
  out["done"] = progress.settled();
  out["state"] = progress.state == spool::RecipientState::delivered ? "delivered" : progress.state == spool::RecipientState::failed ? "failed" : "waiting";
  add(out, "host", progress.host);
  if (!progress.last.ok() || progress.settled()) out["status"] = progress.last.line();
  add(out, "orcpt", recipient.orcpt);
  add(out, "notify", notify_text(recipient.notify));
  return out;
}

// When the last of the waiting recipients' schedules ends.
Time expiry(const spool::Message& message, const config::Config& config) {
  Time last = message.envelope.received;
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    if (message.progress.recipients[i].settled()) continue;
    const config::RetryRule* rule = queue::rule_for(config.retry, message.envelope.recipients[i].address.domain().key());
    if (rule != nullptr) last = std::max(last, message.envelope.received + rule->schedule.back().until);
  }
  return last;
}

}  // namespace

// A destination that is paused says why, and isn't closed until some time.
std::size_t state_of(const queue::Queue::Standing& standing) {
  using State = queue::Queue::Standing::State;
  bool waits = standing.state == State::waiting || standing.state == State::due;
  return waits && !standing.why.empty() ? state_names.size() - 1 : static_cast<std::size_t>(standing.state);
}

std::string line_of(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'; }

Json describe(const QueueWalk::Found& found, Time now) {
  const spool::Message& message = *found.message;
  Json recipients = Json::array();
  std::string reason;
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    const auto& progress = message.progress.recipients[i];
    Json one;
    one["address"] = message.envelope.recipients[i].address.text();
    one["done"] = progress.settled();
    if (!progress.settled() && !progress.last.ok()) {
      std::string status = (progress.host.empty() ? "" : progress.host + " said: ") + progress.last.line();
      if (reason.empty()) reason = status;
      one["status"] = std::move(status);
    }
    recipients.push_back(std::move(one));
  }
  if (reason.empty() && found.standing.state == queue::Queue::Standing::State::trying) reason = "it is being delivered now";
  if (reason.empty()) reason = found.standing.why;
  Json out;
  out["id"] = message.id.text();
  out["sender"] = message.envelope.sender_text();
  out["age_seconds"] = std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(now - message.envelope.received).count(), 0);
  out["size"] = message.size();
  out["frozen"] = message.progress.frozen;
  out["recipients"] = std::move(recipients);
  out["reason"] = std::move(reason);
  out["next_attempt"] = seconds_of(message.progress.next_attempt);
  out["attempts"] = message.progress.attempts;
  return out;
}

void describe_standing(const QueueWalk::Found& found, Json& out) {
  out["state"] = state_names[state_of(found.standing)];
  out["destination"] = found.standing.destination;
  add(out, "transport", found.message->progress.transport);
  if (found.standing.closed_until == Time()) return;
  out["closed_until"] = seconds_of(found.standing.closed_until);
  out["closed_why"] = found.standing.why;
}

void describe_detail(const QueueWalk::Found& found, const config::Config& config, Json& out) {
  const spool::Message& message = *found.message;
  const mail::Envelope& envelope = message.envelope;
  Json recipients = Json::array();
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) recipients.push_back(detail_of(envelope.recipients[i], message.progress.recipients[i]));
  out["recipients"] = std::move(recipients);
  out["received"] = seconds_of(envelope.received);
  out["expires"] = seconds_of(expiry(message, config));
  out["delay_warned"] = message.progress.delay_warned;
  out["smtputf8"] = envelope.smtputf8;
  add(out, "protocol", envelope.protocol);
  add(out, "client_address", envelope.client_address);
  add(out, "client_name", envelope.client_name);
  if (envelope.client_port != 0) out["client_port"] = envelope.client_port;
  add(out, "helo", envelope.helo);
  add(out, "user", envelope.user);
  add(out, "reply_to_id", envelope.reply_to_id);
  add(out, "envid", envelope.envid);
  add(out, "body", name_of(envelope.body));
}

}  // namespace mansio::control
