#include "log/json.hpp"

#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace mansio::log {
namespace {

using Object = nlohmann::ordered_json;

std::string json_text(std::string_view text) {
  constexpr std::size_t longest = 4096;
  if (text.size() <= longest && is_utf8(text)) return std::string(text);
  return escape(text, longest);
}

void put(Object& out, const char* key, const std::string& text) {
  if (!text.empty()) out[key] = json_text(text);
}
void put(Object& out, const char* key, const std::optional<std::string>& text) {
  if (text) out[key] = json_text(*text);
}
void put(Object& out, const char* key, const std::optional<Duration>& duration) {
  if (duration) out[key] = static_cast<double>(duration->count()) / 1000;   // seconds
}
void put(Object& out, const char* key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  Object list = Object::array();
  for (const std::string& text : texts) list.push_back(json_text(text));
  out[key] = std::move(list);
}
void put(Object& out, const char* key, const Host& host) {
  if (host.address.empty() && host.name.empty() && host.helo.empty()) return;
  Object inner = Object::object();
  put(inner, "name", host.name);
  put(inner, "helo", host.helo);
  put(inner, "address", host.address);
  if (host.port != 0) inner["port"] = host.port;
  out[key] = std::move(inner);
}
void put(Object& out, const char* key, const std::optional<Tls>& tls) {
  if (!tls) return;
  Object inner = Object::object();
  put(inner, "version", tls->version);
  put(inner, "cipher", tls->cipher);
  inner["bits"] = tls->bits;
  if (tls->verified) inner["verified"] = *tls->verified;
  put(inner, "subject", tls->subject);
  put(inner, "server_name", tls->server_name);
  out[key] = std::move(inner);
}

const char* stage_name(Rejection::Stage stage) {
  switch (stage) {
    case Rejection::Stage::connection: return "connection";
    case Rejection::Stage::helo: return "helo";
    case Rejection::Stage::mail: return "mail";
    case Rejection::Stage::rcpt: return "rcpt";
    case Rejection::Stage::data: return "data";
    case Rejection::Stage::other: return "other";
  }
  return "other";
}

const char* kind_name(ConnectionTrouble::Kind kind) {
  using Kind = ConnectionTrouble::Kind;
  switch (kind) {
    case Kind::early_talker: return "early_talker";
    case Kind::early_pipelining: return "early_pipelining";
    case Kind::too_many_errors: return "too_many_errors";
    case Kind::too_many_nonmail: return "too_many_nonmail";
    case Kind::syntax_error: return "syntax_error";
    case Kind::protocol_error: return "protocol_error";
    case Kind::lost: return "lost";
    case Kind::lost_in_data: return "lost_in_data";
    case Kind::command_timeout: return "command_timeout";
    case Kind::data_timeout: return "data_timeout";
    case Kind::tls_error: return "tls_error";
    case Kind::refused: return "refused";
    case Kind::no_mail: return "no_mail";
  }
  return "lost";
}

const char* mark_name(Delivery::Mark mark) {
  switch (mark) {
    case Delivery::Mark::first: return "first";
    case Delivery::Mark::further: return "further";
    case Delivery::Mark::cut_through: return "cut_through";
    case Delivery::Mark::suppressed: return "suppressed";
  }
  return "first";
}

struct JsonFormatter {
  Object& out;
  bool details;

  void operator()(const Arrival& e) const {
    out["event"] = "arrival";
    put(out, "id", e.id);
    out["sender"] = json_text(e.sender);
    put(out, "reply_to_id", e.reply_to_id);
    put(out, "host", e.host);
    put(out, "local_address", e.local_address);
    if (e.local_port != 0) out["local_port"] = e.local_port;
    put(out, "user", e.user);
    put(out, "protocol", e.protocol);
    put(out, "tls", e.tls);
    put(out, "auth", e.auth);
    out["size"] = e.size;
    if (e.body != BodyType::unspecified) out["body"] = e.body == BodyType::eight_bit ? "8BITMIME" : "7BIT";
    put(out, "dkim", e.dkim);
    put(out, "message_id", e.message_id);
    put(out, "recipients", e.recipients);
  }

  void operator()(const Delivery& e) const {
    out["event"] = "delivery";
    out["mark"] = mark_name(e.mark);
    address(e);
    put(out, "sender", e.sender);
    if (e.size != 0) out["size"] = e.size;
    put(out, "host", e.host);
    if (e.dnssec) out["dnssec"] = true;
    put(out, "tls", e.tls);
    put(out, "auth", e.auth);
    if (e.pipelining) out["pipelining"] = true;
    if (e.chunking) out["chunking"] = true;
    put(out, "reply", e.reply);
    put(out, "queue_time", e.queue_time);
    put(out, "delivery_time", e.delivery_time);
  }

  void operator()(const Deferral& e) const {
    out["event"] = "deferral";
    address(e);
    put(out, "host", e.host);
    out["number"] = e.number;
    put(out, "text", e.text);
  }

  void operator()(const Failure& e) const {
    out["event"] = "failure";
    address(e);
    put(out, "host", e.host);
    put(out, "text", e.text);
  }

  void operator()(const Completed& e) const {
    out["event"] = "completed";
    put(out, "id", e.id);
    put(out, "queue_time", e.queue_time);
  }

  void operator()(const Rejection& e) const {
    out["event"] = "rejection";
    put(out, "id", e.id);
    put(out, "host", e.host);
    put(out, "tls", e.tls);
    put(out, "sender", e.sender);
    put(out, "auth", e.auth);
    out["stage"] = stage_name(e.stage);
    put(out, "argument", e.argument);
    out["temporary"] = e.temporary;
    put(out, "reason", e.reason);
    if (!details) return;
    put(out, "recipients", e.recipients);
    put(out, "headers", e.headers);
  }

  void operator()(const ConnectionTrouble& e) const {
    out["event"] = "connection";
    out["kind"] = kind_name(e.kind);
    put(out, "host", e.host);
    put(out, "sender", e.sender);
    put(out, "command", e.command);
    put(out, "input", e.input);
    put(out, "text", e.text);
    put(out, "duration", e.duration);
    put(out, "commands", e.commands);
  }

  void operator()(const Connection& e) const {
    constexpr const char* words[] = {"begun", "quit", "lost", "ended"};
    out["event"] = "smtp_connection";
    out["what"] = words[static_cast<std::size_t>(e.what)];
    put(out, "host", e.host);
    put(out, "local_address", e.local_address);
    if (e.local_port != 0) out["local_port"] = e.local_port;
    if (e.what == Connection::What::begun) out["count"] = e.count;
    put(out, "duration", e.duration);
  }

  void operator()(const AuthFailure& e) const {
    out["event"] = "auth_failure";
    put(out, "mechanism", e.mechanism);
    put(out, "host", e.host);
    put(out, "user", e.user);
  }

  void operator()(const Notice& e) const {
    out["event"] = e.panic ? "panic" : "notice";
    put(out, "id", e.id);
    put(out, "text", e.text);
  }

 private:
  // What Delivery, Deferral and Failure share.
  template <class T>
  void address(const T& e) const {
    put(out, "id", e.id);
    out["address"] = json_text(e.address);
    if (e.original != e.address) put(out, "original", e.original);
    put(out, "route", e.route);
    put(out, "transport", e.transport);
  }
};

// RFC 3339 §5.6, UTC.
std::string utc_text(Time time) {
  auto ms = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  std::time_t clock = ms >= 0 ? ms / 1000 : (ms - 999) / 1000;
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, ms - clock * 1000);
}

}  // namespace

std::string format_json(const Event& event, Time time, bool details) {
  Object out = Object::object();
  out["time"] = utc_text(time);
  std::visit(JsonFormatter{out, details}, event);
  return out.dump(-1, ' ', false, Object::error_handler_t::replace);
}

}  // namespace mansio::log
