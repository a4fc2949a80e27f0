#include "ctl/why_past.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::ctl {
namespace {

std::string host_text(const log::Host& host) {
  std::string name = !host.name.empty() ? host.name : host.helo;
  if (host.address.empty()) return name;
  std::string address = fmt::format("[{}]", host.address);
  if (host.port != 0) address += fmt::format(":{}", host.port);
  return name.empty() || name == host.address ? address : name + " " + address;
}

// What an event says, for JSON.
class Describer {
 public:
  explicit Describer(std::int64_t time) { out_["time"] = time; }
  Json take() { return std::move(out_); }

  void operator()(const log::Arrival& e) {
    what("arrival", e.id);
    out_["sender"] = e.sender;
    add("host", host_text(e.host));
    add("user", e.user);
    add("protocol", e.protocol);
    if (e.tls) out_["tls"] = e.tls->version;
    add("auth", e.auth);
    out_["size"] = e.size;
    add("message_id", e.message_id);
    add("reply_to_id", e.reply_to_id);
    out_["recipients"] = e.recipients;
  }
  void operator()(const log::Delivery& e) {
    what("delivery", e.id);
    of_place(e);
    add("text", e.reply);
    if (e.tls) out_["tls"] = e.tls->version;
    add("auth", e.auth);
    if (e.queue_time) out_["queue_seconds"] = e.queue_time->count() / 1000;
  }
  void operator()(const log::Deferral& e) {
    what("deferral", e.id);
    of_place(e);
    add("text", e.text);
  }
  void operator()(const log::Failure& e) {
    what("failure", e.id);
    of_place(e);
    add("text", e.text);
  }
  void operator()(const log::Completed& e) {
    what("completed", e.id);
    if (e.queue_time) out_["queue_seconds"] = e.queue_time->count() / 1000;
  }
  void operator()(const log::Notice& e) {
    what("notice", e.id);
    add("text", e.text);
  }
  void operator()(const log::Rejection& e) {
    what("rejection", e.id);
    add("host", host_text(e.host));
    add("address", e.argument);
    add("text", e.reason);
  }
  void operator()(const log::ConnectionTrouble&) { out_ = Json(); }
  void operator()(const log::Connection&) { out_ = Json(); }
  void operator()(const log::AuthFailure&) { out_ = Json(); }

 private:
  void what(const char* word, const std::string& id) {
    out_["what"] = word;
    out_["id"] = id;
  }
  void add(const char* key, const std::string& value) {
    if (!value.empty()) out_[key] = value;
  }
  template <class E>
  void of_place(const E& e) {
    out_["address"] = e.address;
    add("original", e.original);
    add("route", e.route);
    add("transport", e.transport);
    add("host", host_text(e.host));
  }

  Json out_;
};

std::string domain_of(const std::string& address) { return to_lower(address.substr(address.rfind('@') + 1)); }

}  // namespace

Json describe_event(const history::Record& record) {
  Describer describer(unix_seconds(record.time));
  std::visit(describer, record.event);
  return describer.take();
}

Past read_past(const std::string& log_directory, const std::string& id) {
  Past out;
  history::Query query;
  query.directory = log_directory;
  query.id = id;
  auto walk = history::read(query, [&](std::string_view, const history::Record& record) {
    Json event = describe_event(record);
    if (!event.is_object()) return true;
    // A report about the message is a message of its own.
    if (text_of(event, "what") == "arrival" && text_of(event, "id") != id) {
      if (text_of(event, "reply_to_id") != id) return true;
      event["what"] = "report";
    }
    out.events.push_back(std::move(event));
    return true;
  });
  if (walk) {
    out.problems = walk->problems;
  } else {
    out.problems.push_back(walk.error().text());
    out.denied = walk.error().fault() == Fault::denied || walk.error().sys() == EACCES;
  }
  return out;
}

Json last_word(const std::string& log_directory, const std::set<std::string>& addresses, const std::string& domain) {
  constexpr std::uint64_t most_lines = 200'000;
  history::Query query;
  query.directory = log_directory;
  query.newest_first = true;
  Json found, near;
  std::uint64_t lines = 0;
  (void)history::read(query, [&](std::string_view, const history::Record& record) {
    if (++lines > most_lines) return false;
    bool tells = std::holds_alternative<log::Delivery>(record.event) || std::holds_alternative<log::Deferral>(record.event) ||
                 std::holds_alternative<log::Failure>(record.event);
    if (!tells) return true;
    Json event = describe_event(record);
    std::string address = to_lower(text_of(event, "address")), original = to_lower(text_of(event, "original"));
    if (addresses.contains(address) || (!original.empty() && addresses.contains(original))) {
      found = std::move(event);
      return false;
    }
    if (near.is_null() && !domain.empty() && domain_of(address) == domain && event.contains("host")) near = std::move(event);
    return true;
  });
  return found.is_null() ? near : found;
}

}  // namespace mansio::ctl
