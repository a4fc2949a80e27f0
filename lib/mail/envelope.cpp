#include "mail/envelope.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::mail {
namespace {

constexpr std::string_view envelope_magic = "mansio-envelope 1";
constexpr std::string_view envelope_hex = "0123456789abcdef";
constexpr std::array<std::string_view, 4> body_names{"", "7bit", "8bitmime", "binarymime"};
constexpr std::array<std::string_view, 3> return_names{"", "full", "hdrs"};

// Order of the lines; an unknown key, one out of order or given twice is an error.
enum class Key : std::uint8_t {
  received, sender, body, ret, smtputf8, envid, auth, helo, client_name, client_address, client_port,
  protocol, user, reply_to_id, delivered_to, recipient, orcpt, notify,
};
constexpr std::array<std::string_view, 18> key_names{
    "received", "sender", "body", "ret", "smtputf8", "envid", "auth", "helo", "client-name", "client-address",
    "client-port", "protocol", "user", "reply-to-id", "delivered-to", "recipient", "orcpt", "notify"};
static_assert(key_names[static_cast<std::size_t>(Key::notify)] == "notify");

constexpr bool must_escape(char c) noexcept { return is_control(c) || c == '\\'; }

// Control bytes and backslash as \xhh; all of the 8-bit bytes too when they are no UTF-8.
void append_value(std::string& out, std::string_view value) {
  bool raw_8bit = is_utf8(value);
  for (char c : value) {
    if (!must_escape(c) && (raw_8bit || !is_8bit(c))) {
      out += c;
      continue;
    }
    out += "\\x";
    out += envelope_hex[static_cast<unsigned char>(c) >> 4];
    out += envelope_hex[static_cast<unsigned char>(c) & 15];
  }
}

Result<std::string> read_value(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c != '\\') {
      if (is_control(c)) return fail(Fault::invalid, "envelope: control byte in a value");
      out += c;
      continue;
    }
    auto high = i + 3 < text.size() && text[i + 1] == 'x' ? envelope_hex.find(text[i + 2]) : std::string_view::npos;
    auto low = high != std::string_view::npos ? envelope_hex.find(text[i + 3]) : std::string_view::npos;
    if (low == std::string_view::npos) return fail(Fault::invalid, "envelope: malformed escape");
    out += static_cast<char>(high << 4 | low);
    i += 3;
  }
  std::string again;   // one text for one value: nothing but what format_envelope writes is taken
  append_value(again, out);
  if (again != text) return fail(Fault::invalid, "envelope: needless escape");
  return out;
}

void append_line(std::string& out, Key key, std::string_view value, bool always = false) {
  if (value.empty() && !always) return;
  out += key_names[static_cast<std::size_t>(key)];
  out += ": ";
  append_value(out, value);
  out += '\n';
}

std::string time_text(Time time) {
  auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  if (ns < 0) ns = 0;
  return fmt::format("{}.{:09}", ns / 1'000'000'000, ns % 1'000'000'000);
}

std::string notify_text(std::uint8_t notify) {
  std::string out;
  auto add = [&](std::uint8_t bit, std::string_view name) {
    if ((notify & bit) == 0) return;
    if (!out.empty()) out += ',';
    out += name;
  };
  add(Notify::never, "never");
  add(Notify::success, "success");
  add(Notify::failure, "failure");
  add(Notify::delay, "delay");
  return out;
}

std::optional<Time> read_time(std::string_view text) {
  auto dot = text.find('.');
  if (dot == std::string_view::npos || text.size() - dot != 10) return std::nullopt;
  auto seconds = parse_number(text.substr(0, dot)), fraction = parse_number(text.substr(dot + 1));
  if (!seconds || !fraction || !is_unix_time(*seconds)) return std::nullopt;
  std::chrono::nanoseconds ns(static_cast<std::int64_t>(*seconds * 1'000'000'000 + *fraction));
  Time time{std::chrono::duration_cast<Time::duration>(ns)};
  return time_text(time) == text ? std::optional(time) : std::nullopt;
}

template <class E, std::size_t N>
std::optional<E> read_name(std::string_view text, const std::array<std::string_view, N>& names) {
  for (std::size_t i = 1; i < N; ++i) {
    if (names[i] == text) return static_cast<E>(i);
  }
  return std::nullopt;
}

std::optional<std::uint8_t> read_notify(std::string_view text) {
  for (std::uint8_t bits = 1; bits < 16; ++bits) {
    if (((bits & Notify::never) == 0 || bits == Notify::never) && notify_text(bits) == text) return bits;
  }
  return std::nullopt;
}

std::unexpected<Error> bad_line(Key key, std::string_view value) {
  return fail(Fault::invalid, fmt::format("envelope: bad value of {}: {}", key_names[static_cast<std::size_t>(key)],
                                          escape(value, 200)));
}

// A text field of the envelope, or nullptr when the key is of another kind.
std::string* text_field(Envelope& envelope, Key key) {
  switch (key) {
    case Key::envid: return &envelope.envid;
    case Key::auth: return &envelope.auth;
    case Key::helo: return &envelope.helo;
    case Key::client_name: return &envelope.client_name;
    case Key::client_address: return &envelope.client_address;
    case Key::protocol: return &envelope.protocol;
    case Key::user: return &envelope.user;
    case Key::reply_to_id: return &envelope.reply_to_id;
    case Key::orcpt: return envelope.recipients.empty() ? nullptr : &envelope.recipients.back().orcpt;
    default: return nullptr;
  }
}

Result<> store_typed(Envelope& envelope, Key key, const std::string& value) {
  if (key == Key::recipient || (key == Key::sender && !value.empty())) {
    auto address = Address::parse(value);
    if (!address || address->text() != value) return bad_line(key, value);
    if (key == Key::sender) envelope.sender = std::move(*address);
    else envelope.recipients.emplace_back(std::move(*address));
  } else if (key == Key::delivered_to) {
    envelope.delivered_to.push_back(value);
  } else if (key == Key::received) {
    auto time = read_time(value);
    if (!time) return bad_line(key, value);
    envelope.received = *time;
  } else if (key == Key::body || key == Key::ret) {
    auto body = key == Key::body ? read_name<Body>(value, body_names) : Body{};
    auto ret = key == Key::ret ? read_name<Return>(value, return_names) : Return{};
    if (!body || !ret) return bad_line(key, value);
    (key == Key::body) ? void(envelope.body = *body) : void(envelope.ret = *ret);
  } else if (key == Key::smtputf8) {
    if (value != "yes") return bad_line(key, value);
    envelope.smtputf8 = true;
  } else if (key == Key::client_port) {
    auto port = parse_number(value);
    if (!port || *port == 0 || *port > 65535 || std::to_string(*port) != value) return bad_line(key, value);
    envelope.client_port = static_cast<std::uint16_t>(*port);
  } else if (key == Key::notify) {
    auto notify = read_notify(value);
    if (!notify || envelope.recipients.empty()) return bad_line(key, value);
    envelope.recipients.back().notify = *notify;
  } else if (key != Key::sender) {
    return bad_line(key, value);   // an orcpt before the first recipient
  }
  return {};
}

// May `next` follow `last`? The keys rise, except that recipients and Delivered-To lines repeat.
bool in_order(std::optional<Key> last, Key next) {
  if (!last) return next == Key::received;
  if (*last == Key::received) return next == Key::sender;   // both always stand
  if (next == Key::delivered_to && *last == next) return true;
  return next > *last || (next == Key::recipient && *last >= Key::recipient);
}

}  // namespace

std::string format_envelope(const Envelope& envelope) {
  std::string out;
  out.reserve(512 + 64 * envelope.recipients.size());
  out += envelope_magic;
  out += '\n';
  append_line(out, Key::received, time_text(envelope.received));
  append_line(out, Key::sender, envelope.sender_text(), true);
  append_line(out, Key::body, body_names[static_cast<std::size_t>(envelope.body)]);
  append_line(out, Key::ret, return_names[static_cast<std::size_t>(envelope.ret)]);
  if (envelope.smtputf8) append_line(out, Key::smtputf8, "yes");
  append_line(out, Key::envid, envelope.envid);
  append_line(out, Key::auth, envelope.auth);
  append_line(out, Key::helo, envelope.helo);
  append_line(out, Key::client_name, envelope.client_name);
  append_line(out, Key::client_address, envelope.client_address);
  if (envelope.client_port != 0) append_line(out, Key::client_port, std::to_string(envelope.client_port));
  append_line(out, Key::protocol, envelope.protocol);
  append_line(out, Key::user, envelope.user);
  append_line(out, Key::reply_to_id, envelope.reply_to_id);
  for (const std::string& address : envelope.delivered_to) append_line(out, Key::delivered_to, address);
  for (const Recipient& recipient : envelope.recipients) {
    append_line(out, Key::recipient, recipient.address.text());
    append_line(out, Key::orcpt, recipient.orcpt);
    append_line(out, Key::notify, notify_text(recipient.notify));
  }
  out += '\n';
  return out;
}

Result<Envelope> parse_envelope(std::string_view text) {
  Envelope envelope;
  std::optional<Key> last;
  bool first = true;
  for (;;) {
    auto end = text.find('\n');
    if (end == std::string_view::npos) return fail(Fault::invalid, "envelope: cut off");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (first) {
      if (line != envelope_magic) return fail(Fault::invalid, "envelope: unknown version: " + escape(line, 40));
      first = false;
      continue;
    }
    if (line.empty()) break;
    auto colon = line.find(": ");
    std::size_t index = 0;
    while (index < key_names.size() && key_names[index] != line.substr(0, colon)) ++index;
    if (colon == std::string_view::npos || index == key_names.size()) {
      return fail(Fault::invalid, "envelope: unknown line: " + escape(line, 80));
    }
    Key key = static_cast<Key>(index);
    if (!in_order(last, key)) return fail(Fault::invalid, fmt::format("envelope: {} out of order", key_names[index]));
    last = key;
    auto value = read_value(line.substr(colon + 2));
    if (!value) return std::unexpected(value.error());
    if (value->empty() && key != Key::sender) return bad_line(key, "");
    if (std::string* field = text_field(envelope, key)) {
      *field = std::move(*value);
      continue;
    }
    auto stored = store_typed(envelope, key, *value);
    if (!stored) return std::unexpected(stored.error());
  }
  if (!text.empty()) return fail(Fault::invalid, "envelope: something after its end");
  if (!last || *last == Key::received) return fail(Fault::invalid, "envelope: incomplete");
  return envelope;
}

}  // namespace mansio::mail
