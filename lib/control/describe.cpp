#include "control/describe.hpp"

#include <algorithm>

#include "base/unix_time.hpp"
#include "config/places.hpp"
#include "config/retry.hpp"

namespace mansio::control {
namespace {

using Json = nlohmann::json;


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

// By which rules a recipient waits, as far as it is known without asking the routes.
queue::WaitingRules rules_of(const spool::Message& message, std::size_t i, const route::Tables& tables) {
  const spool::RecipientProgress& progress = message.progress.recipients[i];
  if (!progress.route.empty()) return queue::waiting_rules(tables, progress.domain, progress.route);
  return queue::waiting_rules(tables, message.envelope.recipients[i].address.domain().key(), {});
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
  out["next_attempt"] = unix_seconds(message.progress.next_attempt);
  out["attempts"] = message.progress.attempts;
  return out;
}

void describe_standing(const QueueWalk::Found& found, Json& out) {
  out["state"] = state_names[state_of(found.standing)];
  out["destination"] = found.standing.destination;
  add(out, "transport", found.message->progress.transport);
  if (found.standing.closed_until == Time()) return;
  out["closed_until"] = unix_seconds(found.standing.closed_until);
  out["closed_why"] = found.standing.why;
}

Json describe_waiting(const queue::WaitingRules& rules, const config::Config& config, Time arrived) {
  Json out;
  out["schedule"] = config::format_schedule(*rules.schedule);
  out["setting"] = rules.schedule_setting();
  out["place"] = config::place_of(config, rules.schedule_setting());
  out["expires"] = unix_seconds(rules.expires(arrived));
  out["delay_warning"] = rules.delay_warning.count() / 1000;
  out["warning_setting"] = rules.warning_setting();
  out["warning_place"] = config::place_of(config, rules.warning_setting());
  return out;
}

void describe_detail(const QueueWalk::Found& found, const route::Tables& tables, Json& out) {
  const spool::Message& message = *found.message;
  const mail::Envelope& envelope = message.envelope;
  Json recipients = Json::array();
  Time last = envelope.received;
  bool warned = false;
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    const spool::RecipientProgress& progress = message.progress.recipients[i];
    Json one = detail_of(envelope.recipients[i], progress);
    warned = warned || progress.warned;
    if (!progress.settled()) {
      queue::WaitingRules rules = rules_of(message, i, tables);
      last = std::max(last, rules.expires(envelope.received));
      one["retry"] = describe_waiting(rules, *tables.config, envelope.received);
      one["warned"] = progress.warned;
      add(one, "route", progress.route);
    }
    recipients.push_back(std::move(one));
  }
  out["recipients"] = std::move(recipients);
  out["received"] = unix_seconds(envelope.received);
  out["expires"] = unix_seconds(last);
  out["delay_warned"] = warned || message.progress.delay_warned;
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

void IdLines::add(std::string id, std::string& out) {
  constexpr std::size_t ids_in_a_line = 500;
  ids_.push_back(std::move(id));
  if (ids_.size() == ids_in_a_line) flush(out);
}

void IdLines::flush(std::string& out) {
  if (ids_.empty()) return;
  nlohmann::json line;
  line["ids"] = std::exchange(ids_, {});
  out += line_of(line);
}

}  // namespace mansio::control
