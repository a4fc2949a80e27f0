// The pieces that lines of the text log are made of: words, addresses, hosts, KEY=value fields. Private to lib/history.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "history/line.hpp"

namespace mansio::history {

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

// "0.123s", "1w2d3h4m5s".
std::optional<Duration> parse_time(std::string_view text);
// [ip]:port
bool take_address(Cursor& at, std::string& address, std::uint16_t& port);
// [name] [(helo)] [ip][:port]; what follows stays.
bool take_host(Cursor& at, log::Host& host);
// Takes " KEY=value" (and the bare letters of a delivery) as long as there are any; of a key that isn't known only the word.
Fields take_fields(Cursor& at);
// "address <original>"
void take_addresses(Cursor& at, std::string& address, std::string& original);

// Lines about connections and log-ins (text_trouble.cpp).
std::optional<log::Event> parse_trouble(Cursor at);
std::optional<log::Event> parse_connection(Cursor at);
std::optional<log::Event> parse_auth_failure(Cursor at);

}  // namespace mansio::history
