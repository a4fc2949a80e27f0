// The grammar of text lines: an address and fields, then what is particular to the event.
#include <array>
#include <tuple>

#include "base/text.hpp"
#include "history/line.hpp"

namespace mansio::history {
namespace {

using namespace std::string_view_literals;

// What is left of a line.
struct Cursor {
  std::string_view rest;

  bool take(std::string_view text) noexcept {
    if (!rest.starts_with(text)) return false;
    rest.remove_prefix(text.size());
    return true;
  }
  // Up to the next blank, which stays.
  std::string_view word() noexcept {
    std::string_view out = rest.substr(0, rest.find(' '));
    rest.remove_prefix(out.size());
    return out;
  }
  // Up to `end`, which is taken, too; nullopt when it isn't there.
  std::optional<std::string_view> until(std::string_view end) noexcept {
    auto at = rest.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view out = rest.substr(0, at);
    rest.remove_prefix(at + end.size());
    return out;
  }
};

// "0.123s", "1w2d3h4m5s".
std::optional<Duration> parse_time(std::string_view text) {
  if (text.size() == 6 && text.starts_with("0.") && text[5] == 's') {
    auto ms = parse_number(text.substr(2, 3));
    return ms ? std::optional(Duration(static_cast<std::int64_t>(*ms))) : std::nullopt;
  }
  std::int64_t seconds = 0;
  for (auto [unit, letter] : {std::pair{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}) {
    std::size_t n = 0;
    while (n < text.size() && n < 9 && is_digit(text[n])) ++n;
    if (n == 0 || n >= text.size() || text[n] != letter) continue;
    seconds += static_cast<std::int64_t>(*parse_number(text.substr(0, n))) * unit;
    text.remove_prefix(n + 1);
  }
  if (!text.empty()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

std::uint16_t port_of(std::string_view text) {
  auto number = parse_number(text);
  return number && *number <= 0xffff ? static_cast<std::uint16_t>(*number) : std::uint16_t{0};
}

// [ip]:port
bool take_address(Cursor& at, std::string& address, std::uint16_t& port) {
  if (!at.take("[")) return false;
  auto text = at.until("]");
  if (!text || text->find(' ') != std::string_view::npos) return false;
  address = unescape(*text);
  std::size_t n = 0;
  while (at.rest.size() > n + 1 && is_digit(at.rest[n + 1])) ++n;
  if (n > 0 && at.rest.starts_with(':')) {
    port = port_of(at.rest.substr(1, n));
    at.rest.remove_prefix(n + 1);
  }
  return true;
}

// [name] [(helo)] [ip][:port]; what follows stays.
bool take_host(Cursor& at, log::Host& host) {
  if (!at.rest.starts_with('[') && !at.rest.starts_with('(')) {
    host.name = unescape(at.word());
    if (!at.take(" ")) return false;
  }
  if (at.take("(")) {
    auto helo = at.until(") ");
    if (!helo) return false;
    host.helo = unescape(*helo);
  }
  return take_address(at, host.address, host.port);
}

// All fields that any line has.
struct Fields {
  std::string route, transport, user, protocol, auth, dkim, message_id, reply;
  std::optional<std::string> sender;
  std::optional<log::Tls> tls;
  log::Host host;
  std::string local_address;
  std::uint16_t local_port = 0;
  std::uint64_t size = 0;
  log::BodyType body = log::BodyType::unspecified;
  std::optional<Duration> queue_time, delivery_time, duration;
  bool dnssec = false, pipelining = false, chunking = false;
};

// version:cipher:bits
log::Tls parse_tls(std::string_view text) {
  log::Tls out;
  auto first = text.find(':'), last = text.rfind(':');
  out.version = unescape(text.substr(0, first));
  if (first == std::string_view::npos) return out;
  if (last != first) out.bits = port_of(text.substr(last + 1));
  out.cipher = unescape(text.substr(first + 1, last == first ? last : last - first - 1));
  return out;
}

std::string_view without(std::string_view text, char open, char close) noexcept {
  if (text.size() < 2 || text.front() != open || text.back() != close) return text;
  return text.substr(1, text.size() - 2);
}

// A field whose value may hold blanks.
bool take_wide_field(Cursor& at, std::string_view key, Fields& out) {
  if (key == "H") {
    if (!take_host(at, out.host)) return false;
    out.dnssec = at.take("*");
    return true;
  }
  if (key == "I") return take_address(at, out.local_address, out.local_port);
  if (!at.take("\"")) return false;
  auto value = at.until("\"");
  if (!value) return false;
  if (key == "C") out.reply = unescape(*value);
  else if (out.tls) out.tls->subject = unescape(*value);
  return true;
}

void set_field(std::string_view key, std::string_view value, Fields& out) {
  constexpr std::array<std::pair<std::string_view, std::string Fields::*>, 7> texts{
      {{"R", &Fields::route}, {"T", &Fields::transport}, {"U", &Fields::user}, {"P", &Fields::protocol},
       {"A", &Fields::auth}, {"DKIM", &Fields::dkim}, {"id", &Fields::message_id}}};
  for (auto [name, member] : texts) {
    if (name == key) out.*member = unescape(value);
  }
  if (key == "F") out.sender = unescape(without(value, '<', '>'));
  else if (key == "S") out.size = parse_number(value).value_or(0);
  else if (key == "M8S") out.body = value == "8" ? log::BodyType::eight_bit : value == "7" ? log::BodyType::seven_bit : log::BodyType::unspecified;
  else if (key == "X") out.tls = parse_tls(value);
  else if (key == "CV" && out.tls) out.tls->verified = value == "yes";
  else if (key == "SNI" && out.tls) out.tls->server_name = unescape(value);
  else if (key == "QT") out.queue_time = parse_time(value);
  else if (key == "DT") out.delivery_time = parse_time(value);
  else if (key == "D") out.duration = parse_time(value);
}

// Takes " KEY=value" (and the bare letters of a delivery) as long as there are any; of a key that isn't known only the word.
Fields take_fields(Cursor& at) {
  Fields out;
  while (at.rest.starts_with(' ')) {
    Cursor next{at.rest.substr(1)};
    std::string_view token = next.word();
    std::string_view key = token.substr(0, token.find('='));
    if (token == "L") out.pipelining = true;
    else if (token == "K") out.chunking = true;
    else if (key.empty() || key.size() == token.size()) break;
    else if (key == "H" || key == "I" || ((key == "C" || key == "DN") && token.substr(key.size() + 1).starts_with('"'))) {
      next.rest = at.rest.substr(key.size() + 2);
      if (!take_wide_field(next, key, out)) break;
    } else {
      set_field(key, token.substr(key.size() + 1), out);
    }
    at = next;
  }
  return out;
}

// "address <original>"
void take_addresses(Cursor& at, std::string& address, std::string& original) {
  address = unescape(at.word());
  Cursor next = at;
  if (!next.take(" <")) return;
  std::string_view word = next.word();
  if (!word.ends_with('>')) return;
  original = unescape(word.substr(0, word.size() - 1));
  at = next;
}

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
                                   {"EHLO or HELO "sv, Stage::helo, ": "sv}, {"connection: "sv, Stage::connection, ""sv},
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

bool take_quoted(Cursor& at, std::string& out) {
  if (!at.take("\"")) return false;
  auto text = at.until("\"");
  if (text) out = unescape(*text);
  return text.has_value();
}

using Kind = log::ConnectionTrouble::Kind;
using Trouble = log::ConnectionTrouble;

// "H=host" and nothing else of it is fields: what follows is free text.
bool take_bare_host(Cursor& at, Trouble& out) { return at.take("H=") && take_host(at, out.host); }

bool parse_early(Cursor& at, Trouble& out) {
  if (out.kind == Kind::early_talker) return take_bare_host(at, out) && at.take(" input=") && take_quoted(at, out.input);
  return take_quoted(at, out.command) && at.take(" ") && take_bare_host(at, out) && at.take(" next input=") && take_quoted(at, out.input);
}

bool parse_dropped(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out)) return false;
  if (at.take(" dropped: too many syntax or protocol errors (last command was ")) return take_quoted(at, out.command);
  out.kind = Kind::too_many_nonmail;
  return at.take(" dropped: too many nonmail commands (last was ") && take_quoted(at, out.command);
}

bool parse_wrong_command(Cursor& at, Trouble& out) {
  if (!take_quoted(at, out.command) || !at.take(" ") || !take_bare_host(at, out) || !at.take(" ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_end(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out)) return false;
  Fields fields = take_fields(at);
  out.sender = std::move(fields.sender);
  out.duration = fields.duration;
  return true;
}

bool parse_tls_error(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out) || !at.take(": ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_refused(Cursor& at, Trouble& out) {
  if (!take_address(at, out.host.address, out.host.port) || !at.take(" refused: ")) return false;
  out.text = unescape(at.rest);
  return true;
}

bool parse_no_mail(Cursor& at, Trouble& out) {
  if (!take_bare_host(at, out) || !at.take(" D=")) return false;
  out.duration = parse_time(at.word());
  if (!at.take(" C=")) return true;
  for (std::string_view command : split(at.word(), ',')) out.commands.push_back(unescape(command));
  return true;
}

struct TroubleRow {
  std::string_view words;
  Kind kind;
  bool (*parse)(Cursor&, Trouble&);
};
constexpr std::array<TroubleRow, 12> trouble_rows{{
    {"unexpected disconnection while reading SMTP command from ", Kind::lost, parse_end},
    {"no MAIL in SMTP connection from ", Kind::no_mail, parse_no_mail},
    {"SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from ", Kind::early_talker, parse_early},
    {"SMTP protocol synchronization error (next input sent too soon: pipelining was not allowed here): rejected ", Kind::early_pipelining, parse_early},
    {"SMTP call from ", Kind::too_many_errors, parse_dropped},
    {"SMTP syntax error in ", Kind::syntax_error, parse_wrong_command},
    {"SMTP protocol error in ", Kind::protocol_error, parse_wrong_command},
    {"SMTP connection lost while reading message data ", Kind::lost_in_data, parse_end},
    {"SMTP command timeout on connection from ", Kind::command_timeout, parse_end},
    {"SMTP data timeout (message abandoned) on connection from ", Kind::data_timeout, parse_end},
    {"TLS error on connection from ", Kind::tls_error, parse_tls_error},
    {"Connection from ", Kind::refused, parse_refused},
}};

std::optional<log::Event> parse_trouble(Cursor at) {
  for (const TroubleRow& row : trouble_rows) {
    if (!at.take(row.words)) continue;
    Trouble out;
    out.kind = row.kind;
    if (!row.parse(at, out)) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

// MECHANISM authenticator failed for host: 535 … (set_id=user)
std::optional<log::Event> parse_auth_failure(Cursor at) {
  log::AuthFailure out;
  out.mechanism = at.word();
  if (!at.take(" authenticator failed for ") || !take_host(at, out.host) || !at.take(": 535 ")) return std::nullopt;
  if (auto user = at.rest.find(" (set_id="); user != std::string_view::npos && at.rest.ends_with(')')) {
    out.user = unescape(at.rest.substr(user + 9, at.rest.size() - user - 10));
  }
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
