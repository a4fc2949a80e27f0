// The grammar of text lines about messages: an address and fields, then what is particular to the event.
#include <tuple>

#include "base/text.hpp"
#include "history/text_fields.hpp"

namespace mansio::history {
namespace {

using namespace std::string_view_literals;

std::optional<log::Event> parse_arrival(Cursor at, std::string_view id) {
  log::Arrival out;
  out.id = id;
  std::string_view sender = at.word();
  if (sender != "<>") out.sender = unescape(sender);
  Fields fields = take_fields(at);
  out.reply_to_id = std::move(fields.route);
  out.host = std::move(fields.host);
  out.local_address = std::move(fields.local_address);
  out.local_port = fields.local_port;
  out.user = std::move(fields.user);
  out.protocol = std::move(fields.protocol);
  out.tls = std::move(fields.tls);
  out.auth = std::move(fields.auth);
  out.size = fields.size;
  out.body = fields.body;
  out.dkim = std::move(fields.dkim);
  out.message_id = std::move(fields.message_id);
  if (!at.take(" for ")) return out;
  for (std::string_view recipient : split(at.rest, ' ')) {
    if (recipient.starts_with("...(")) break;              // "...(23 more)"
    out.recipients.push_back(unescape(recipient));
  }
  return out;
}

std::optional<log::Event> parse_delivery(Cursor at, std::string_view id, log::Delivery::Mark mark) {
  log::Delivery out;
  out.id = id;
  out.mark = mark;
  take_addresses(at, out.address, out.original);
  Fields fields = take_fields(at);
  out.sender = std::move(fields.sender);
  out.route = std::move(fields.route);
  out.transport = std::move(fields.transport);
  out.size = fields.size;
  out.host = std::move(fields.host);
  out.dnssec = fields.dnssec;
  out.tls = std::move(fields.tls);
  out.auth = std::move(fields.auth);
  out.pipelining = fields.pipelining;
  out.chunking = fields.chunking;
  out.reply = std::move(fields.reply);
  out.queue_time = fields.queue_time;
  out.delivery_time = fields.delivery_time;
  return out;
}

// The host stands behind the text: the last " H=" after which there is a host and nothing else.
void take_host_at_end(std::string_view& text, log::Host& host) {
  auto at = text.rfind(" H=");
  if (at == std::string_view::npos) return;
  Cursor rest{text.substr(at + 3)};
  log::Host found;
  if (!take_host(rest, found) || !rest.rest.empty()) return;
  host = std::move(found);
  text = text.substr(0, at);
}

std::optional<log::Event> parse_deferral(Cursor at, std::string_view id) {
  log::Deferral out;
  out.id = id;
  take_addresses(at, out.address, out.original);
  Fields fields = take_fields(at);
  out.route = std::move(fields.route);
  out.transport = std::move(fields.transport);
  if (!at.take(" defer (")) return std::nullopt;
  auto number = at.until("): ");
  if (!number) return std::nullopt;
  bool negative = number->starts_with('-');
  auto value = parse_number(number->substr(negative ? 1 : 0));
  if (!value || *value > 1'000'000) return std::nullopt;
  out.number = negative ? -static_cast<int>(*value) : static_cast<int>(*value);
  take_host_at_end(at.rest, out.host);
  out.text = unescape(at.rest);
  return out;
}

std::optional<log::Event> parse_failure(Cursor at, std::string_view id) {
  log::Failure out;
  out.id = id;
  auto head = at.until(": ");                              // words hold no blank: it is the first
  if (!head) return std::nullopt;
  Cursor words{*head};
  take_addresses(words, out.address, out.original);
  Fields fields = take_fields(words);
  if (!words.rest.empty()) return std::nullopt;
  out.route = std::move(fields.route);
  out.transport = std::move(fields.transport);
  out.host = std::move(fields.host);
  out.text = unescape(at.rest);
  return out;
}

std::optional<log::Event> parse_completed(Cursor at, std::string_view id) {
  if (!at.rest.empty() && !at.rest.starts_with(' ')) return std::nullopt;
  return log::Completed{std::string(id), take_fields(at).queue_time};
}

bool take_stage(Cursor& at, log::Rejection& out) {
  using Stage = log::Rejection::Stage;
  for (auto [words, stage, end] : {std::tuple{"MAIL <"sv, Stage::mail, ">: "sv}, {"RCPT <"sv, Stage::rcpt, ">: "sv},
                                   {"EHLO or HELO "sv, Stage::helo, ": "sv}, {"connection in \"connect\" ACL: "sv, Stage::connection, ""sv}, {"connection: "sv, Stage::connection, ""sv},
                                   {"after DATA: "sv, Stage::data, ""sv}, {""sv, Stage::other, ": "sv}}) {
    if (!at.take(words)) continue;
    out.stage = stage;
    auto argument = at.until(end);
    if (argument) out.argument = unescape(*argument);
    return argument.has_value();
  }
  return false;
}

// `at` begins with " H=".
std::optional<log::Event> parse_rejection(Cursor at, std::string_view id) {
  log::Rejection out;
  out.id = id;
  Fields fields = take_fields(at);
  out.temporary = at.take(" temporarily");
  if (!at.take(" rejected ") || !take_stage(at, out)) return std::nullopt;
  out.host = std::move(fields.host);
  out.tls = std::move(fields.tls);
  out.sender = std::move(fields.sender);
  out.auth = std::move(fields.auth);
  out.reason = unescape(at.rest);
  return out;
}

std::optional<log::Event> parse_of_message(Cursor at, std::string_view id) {
  using Mark = log::Delivery::Mark;
  if (at.take(" <= ")) return parse_arrival(at, id);
  if (at.take(" => ")) return parse_delivery(at, id, Mark::first);
  if (at.take(" -> ")) return parse_delivery(at, id, Mark::further);
  if (at.take(" >> ")) return parse_delivery(at, id, Mark::cut_through);
  if (at.take(" *> ")) return parse_delivery(at, id, Mark::suppressed);
  if (at.take(" == ")) return parse_deferral(at, id);
  if (at.take(" ** ")) return parse_failure(at, id);
  if (at.take(" Completed")) return parse_completed(at, id);
  if (at.rest.starts_with(" H=")) return parse_rejection(at, id);
  return std::nullopt;
}

log::Event notice(std::string_view id, std::string_view text) {
  return log::Notice{std::string(id), unescape(text), false};
}

}  // namespace

log::Event parse_event(std::string_view text) {
  Cursor at{text};
  std::string_view first = at.word();
  if (is_message_id(first)) {
    auto event = parse_of_message(at, first);
    return event ? std::move(*event) : notice(first, at.rest.substr(at.rest.empty() ? 0 : 1));
  }
  std::optional<log::Event> event;
  if (first.starts_with("H=")) {
    std::string with_blank = " " + std::string(text);
    event = parse_rejection(Cursor{with_blank}, "");
  } else if (at.rest.starts_with(" authenticator failed for ")) {
    event = parse_auth_failure(Cursor{text});
  } else {
    event = parse_trouble(Cursor{text});
    if (!event) event = parse_connection(Cursor{text});
  }
  return event ? std::move(*event) : notice("", text);
}

bool add_detail(log::Rejection& rejection, std::string_view line) {
  constexpr std::string_view to = "  Envelope-to: <", more = "               <";
  if (!line.starts_with("  ")) return false;
  bool is_recipient = line.starts_with(to) || (line.starts_with(more) && rejection.headers.empty());
  if (is_recipient && line.ends_with('>')) {
    rejection.recipients.push_back(unescape(line.substr(to.size(), line.size() - to.size() - 1)));
  } else if (!line.starts_with("  Envelope-from: <") && rejection.headers.size() < 1000) {
    rejection.headers.push_back(unescape(line.substr(2)));
  }
  return true;
}

}  // namespace mansio::history
