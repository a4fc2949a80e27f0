#include "history/text_fields.hpp"

#include <array>

#include "base/text.hpp"

namespace mansio::history {

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

static std::uint16_t port_of(std::string_view text) {
  auto number = parse_number(text);
  return number && *number <= 0xffff ? static_cast<std::uint16_t>(*number) : std::uint16_t{0};
}

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

// version:cipher:bits
static log::Tls parse_tls(std::string_view text) {
  log::Tls out;
  auto first = text.find(':'), last = text.rfind(':');
  out.version = unescape(text.substr(0, first));
  if (first == std::string_view::npos) return out;
  if (last != first) out.bits = port_of(text.substr(last + 1));
  out.cipher = unescape(text.substr(first + 1, last == first ? last : last - first - 1));
  return out;
}

static std::string_view without(std::string_view text, char open, char close) noexcept {
  if (text.size() < 2 || text.front() != open || text.back() != close) return text;
  return text.substr(1, text.size() - 2);
}

// A field whose value may hold blanks.
static bool take_wide_field(Cursor& at, std::string_view key, Fields& out) {
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

static void set_field(std::string_view key, std::string_view value, Fields& out) {
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

void take_addresses(Cursor& at, std::string& address, std::string& original) {
  address = unescape(at.word());
  Cursor next = at;
  if (!next.take(" <")) return;
  std::string_view word = next.word();
  if (!word.ends_with('>')) return;
  original = unescape(word.substr(0, word.size() - 1));
  at = next;
}

}  // namespace mansio::history
