#include "log/w3c.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

#include "base/unix_time.hpp"

namespace mansio::log {
namespace {

constexpr std::size_t longest_value = 1024;

std::string value_text(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, longest_value)) {
    auto byte = static_cast<unsigned char>(c);
    if (c == ' ') out += '+';
    else if (byte <= 0x20 || byte >= 0x7f || c == '+' || c == '%' || c == '"') out += fmt::format("%{:02X}", byte);
    else out += c;
  }
  if (out == "-") return "%2D";
  return out.empty() ? "-" : out;
}

std::tm utc_of(Time time) {
  std::time_t clock = unix_seconds(time);
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  return utc;
}

std::string date_text(Time time) {
  std::tm utc = utc_of(time);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

std::string clock_text(Time time) {
  std::tm utc = utc_of(time);
  return fmt::format("{:02}:{:02}:{:02}", utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string port_text(std::uint16_t port) { return port == 0 ? "-" : std::to_string(port); }
// The argument begins with a blank of its own, as the service had it: "+FROM:<a@b.test>".
std::string query_text(std::string_view query) { return query.empty() ? "-" : "+" + value_text(query); }

struct Field {
  std::string_view name;
  std::string (*text)(const Exchange&);
};

std::string nothing(const Exchange&) { return "-"; }

constexpr std::array<Field, 21> known_fields{{
    {"date", [](const Exchange& e) { return date_text(e.time); }},
    {"time", [](const Exchange& e) { return clock_text(e.time); }},
    {"c-ip", [](const Exchange& e) { return value_text(e.client_address); }},
    {"cs-username", [](const Exchange& e) { return value_text(e.user); }},
    {"s-sitename", [](const Exchange& e) { return value_text(e.site); }},
    {"s-computername", [](const Exchange& e) { return value_text(e.computer); }},
    {"s-ip", [](const Exchange& e) { return value_text(e.server_address); }},
    {"s-port", [](const Exchange& e) { return port_text(e.server_port); }},
    {"cs-method", [](const Exchange& e) { return value_text(e.method); }},
    {"cs-uri-stem", nothing},
    {"cs-uri-query", [](const Exchange& e) { return query_text(e.query); }},
    {"sc-status", [](const Exchange& e) { return std::to_string(e.status); }},
    {"sc-win32-status", [](const Exchange&) { return std::string("0"); }},
    {"sc-bytes", [](const Exchange& e) { return std::to_string(e.sent); }},
    {"cs-bytes", [](const Exchange& e) { return std::to_string(e.received); }},
    {"time-taken", [](const Exchange& e) { return std::to_string(std::max<std::int64_t>(e.taken.count(), 0)); }},
    {"cs-version", [](const Exchange& e) { return value_text(e.protocol); }},
    {"cs-host", nothing},
    {"cs(User-Agent)", nothing},
    {"cs(Cookie)", nothing},
    {"cs(Referer)", nothing},
}};

}  // namespace

W3cFormat::W3cFormat(const std::vector<std::string>& fields) : fields_(fields.empty() ? all_fields() : fields) {}

std::vector<std::string> W3cFormat::all_fields() {
  std::vector<std::string> out;
  for (const Field& field : known_fields) out.emplace_back(field.name);
  return out;
}

std::string W3cFormat::header(Time now) const {
  return fmt::format("#Software: mansio\n#Version: 1.0\n#Date: {} {}\n#Fields: {}\n", date_text(now), clock_text(now), fmt::join(fields_, " "));
}

std::string W3cFormat::line(const Exchange& exchange) const {
  std::string out;
  for (const std::string& name : fields_) {
    auto field = std::ranges::find(known_fields, name, &Field::name);
    out += (out.empty() ? "" : " ") + (field == known_fields.end() ? "-" : field->text(exchange));
  }
  return out + '\n';
}

}  // namespace mansio::log
