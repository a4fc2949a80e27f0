// Objects of the JSON log. What isn't of the type it should be counts as missing.
#include <array>
#include <cmath>
#include <ctime>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "history/line.hpp"

namespace mansio::history {
namespace {

using Json = nlohmann::json;

const Json& member(const Json& object, const char* key) {
  static const Json missing;
  auto at = object.find(key);
  return at == object.end() ? missing : *at;
}

std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get_ref<const std::string&>() : std::string();
}

std::optional<std::string> some_text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? std::optional(value.get_ref<const std::string&>()) : std::nullopt;
}

std::uint64_t number(const Json& object, const char* key, std::uint64_t most = UINT64_MAX) {
  const Json& value = member(object, key);
  if (!value.is_number_unsigned()) return 0;
  auto n = value.get<std::uint64_t>();
  return n <= most ? n : 0;
}

std::uint16_t small_number(const Json& object, const char* key) { return static_cast<std::uint16_t>(number(object, key, 0xffff)); }

bool flag(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_boolean() && value.get<bool>();
}

std::optional<Duration> duration(const Json& object, const char* key) {
  const Json& value = member(object, key);
  if (!value.is_number()) return std::nullopt;
  double seconds = value.get<double>();
  if (!(std::fabs(seconds) < 1e10)) return std::nullopt;
  return Duration(std::llround(seconds * 1000));
}

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> out;
  const Json& value = member(object, key);
  if (!value.is_array()) return out;
  for (const Json& one : value) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

log::Host host(const Json& object) {
  const Json& value = member(object, "host");
  if (!value.is_object()) return {};
  return {text(value, "name"), text(value, "helo"), text(value, "address"), small_number(value, "port")};
}

std::optional<log::Tls> tls(const Json& object) {
  const Json& value = member(object, "tls");
  if (!value.is_object()) return std::nullopt;
  log::Tls out{text(value, "version"), text(value, "cipher"), small_number(value, "bits"), {}, text(value, "server_name"),
               text(value, "subject")};
  if (member(value, "verified").is_boolean()) out.verified = flag(value, "verified");
  return out;
}

template <class T, std::size_t N>
T named(const std::array<std::pair<std::string_view, T>, N>& names, const std::string& name, T otherwise) {
  for (const auto& [word, value] : names) {
    if (word == name) return value;
  }
  return otherwise;
}

log::Event arrival(const Json& o) {
  std::string body = text(o, "body");
  return log::Arrival{.id = text(o, "id"), .sender = text(o, "sender"), .reply_to_id = text(o, "reply_to_id"), .host = host(o),
                      .local_address = text(o, "local_address"), .local_port = small_number(o, "local_port"),
                      .user = text(o, "user"), .protocol = text(o, "protocol"), .tls = tls(o), .auth = text(o, "auth"),
                      .size = number(o, "size"),
                      .body = body == "8BITMIME" ? log::BodyType::eight_bit : body == "7BIT" ? log::BodyType::seven_bit : log::BodyType::unspecified,
                      .dkim = text(o, "dkim"), .message_id = text(o, "message_id"), .recipients = texts(o, "recipients")};
}

log::Event delivery(const Json& o) {
  using Mark = log::Delivery::Mark;
  constexpr std::array<std::pair<std::string_view, Mark>, 4> marks{
      {{"first", Mark::first}, {"further", Mark::further}, {"cut_through", Mark::cut_through}, {"suppressed", Mark::suppressed}}};
  return log::Delivery{.id = text(o, "id"), .mark = named(marks, text(o, "mark"), Mark::first), .address = text(o, "address"),
                       .original = text(o, "original"), .sender = some_text(o, "sender"), .route = text(o, "route"),
                       .transport = text(o, "transport"), .size = number(o, "size"), .host = host(o), .dnssec = flag(o, "dnssec"),
                       .tls = tls(o), .auth = text(o, "auth"), .pipelining = flag(o, "pipelining"), .chunking = flag(o, "chunking"),
                       .reply = text(o, "reply"), .queue_time = duration(o, "queue_time"), .delivery_time = duration(o, "delivery_time")};
}

log::Event deferral(const Json& o) {
  const Json& value = member(o, "number");
  std::int64_t n = value.is_number_integer() ? value.get<std::int64_t>() : 0;
  if (n < -1'000'000 || n > 1'000'000) n = 0;
  return log::Deferral{text(o, "id"), text(o, "address"), text(o, "original"), text(o, "route"), text(o, "transport"),
                       static_cast<int>(n), text(o, "text"), host(o)};
}

log::Event failure(const Json& o) {
  return log::Failure{text(o, "id"), text(o, "address"), text(o, "original"), text(o, "route"), text(o, "transport"), text(o, "text"), host(o)};
}

log::Event completed(const Json& o) { return log::Completed{text(o, "id"), duration(o, "queue_time")}; }

log::Event rejection(const Json& o) {
  using Stage = log::Rejection::Stage;
  constexpr std::array<std::pair<std::string_view, Stage>, 6> stages{{{"connection", Stage::connection}, {"helo", Stage::helo},
      {"mail", Stage::mail}, {"rcpt", Stage::rcpt}, {"data", Stage::data}, {"other", Stage::other}}};
  return log::Rejection{.id = text(o, "id"), .host = host(o), .tls = tls(o), .sender = some_text(o, "sender"), .auth = text(o, "auth"),
                        .stage = named(stages, text(o, "stage"), Stage::other), .argument = text(o, "argument"),
                        .temporary = flag(o, "temporary"), .reason = text(o, "reason"), .recipients = texts(o, "recipients"),
                        .headers = texts(o, "headers")};
}

log::Event connection(const Json& o) {
  using Kind = log::ConnectionTrouble::Kind;
  constexpr std::array<std::pair<std::string_view, Kind>, 13> kinds{{{"early_talker", Kind::early_talker},
      {"early_pipelining", Kind::early_pipelining}, {"too_many_errors", Kind::too_many_errors},
      {"too_many_nonmail", Kind::too_many_nonmail}, {"syntax_error", Kind::syntax_error}, {"protocol_error", Kind::protocol_error},
      {"lost", Kind::lost}, {"lost_in_data", Kind::lost_in_data}, {"command_timeout", Kind::command_timeout},
      {"data_timeout", Kind::data_timeout}, {"tls_error", Kind::tls_error}, {"refused", Kind::refused}, {"no_mail", Kind::no_mail}}};
  return log::ConnectionTrouble{.kind = named(kinds, text(o, "kind"), Kind::lost), .host = host(o), .command = text(o, "command"),
                                .input = text(o, "input"), .text = text(o, "text"), .sender = some_text(o, "sender"),
                                .duration = duration(o, "duration"), .commands = texts(o, "commands")};
}

log::Event smtp_connection(const Json& o) {
  using What = log::Connection::What;
  constexpr std::array<std::pair<std::string_view, What>, 4> whats{{{"begun", What::begun}, {"quit", What::quit}, {"lost", What::lost}, {"ended", What::ended}}};
  return log::Connection{.what = named(whats, text(o, "what"), What::begun), .host = host(o), .local_address = text(o, "local_address"),
                         .local_port = small_number(o, "local_port"), .count = number(o, "count"), .duration = duration(o, "duration")};
}

log::Event auth_failure(const Json& o) { return log::AuthFailure{text(o, "mechanism"), host(o), text(o, "user")}; }

log::Event notice_of(const Json& o) { return log::Notice{text(o, "id"), text(o, "text"), text(o, "event") == "panic"}; }

}  // namespace

std::optional<Time> utc_time(std::string_view stamp) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.dddZ";
  if (stamp.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'd' ? !is_digit(stamp[i]) : stamp[i] != shape[i]) return std::nullopt;
  }
  auto part = [&](std::size_t at, std::size_t size) { return static_cast<int>(*parse_number(stamp.substr(at, size))); };
  std::tm utc{};
  utc.tm_year = part(0, 4) - 1900;
  utc.tm_mon = part(5, 2) - 1;
  utc.tm_mday = part(8, 2);
  utc.tm_hour = part(11, 2);
  utc.tm_min = part(14, 2);
  utc.tm_sec = part(17, 2);
  if (utc.tm_year < 70 || utc.tm_year > latest_year - 1900) return std::nullopt;
  return from_unix(::timegm(&utc)) + Duration(part(20, 3));
}

std::optional<Record> parse_json(std::string_view line) {
  Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return std::nullopt;
  auto time = utc_time(text(object, "time"));
  if (!time) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, log::Event (*)(const Json&)>, 9> kinds{
      {{"arrival", arrival}, {"delivery", delivery}, {"deferral", deferral}, {"failure", failure}, {"completed", completed},
       {"rejection", rejection}, {"connection", connection}, {"smtp_connection", smtp_connection}, {"auth_failure", auth_failure}}};
  return Record(*time, named(kinds, text(object, "event"), &notice_of)(object));
}

}  // namespace mansio::history
