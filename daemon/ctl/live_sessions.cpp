#include <fmt/format.h>

#include "ctl/live.hpp"

namespace mansio::ctl {
namespace {

std::string endpoint_words(const std::string& address, std::int64_t port) {
  if (port == 0 || address.empty()) return address;
  return fmt::format("{}:{}", address.find(':') == std::string::npos ? address : "[" + address + "]", port);
}

std::string octets_words(const Json& session) { return bytes_text(static_cast<std::uint64_t>(number_of(session, "octets"))); }

}  // namespace

std::string session_state(const Json& session) {
  if (!flag_of(session, "in_data")) return show(text_of(session, "state"));
  return show("in data, " + bytes_text(static_cast<std::uint64_t>(number_of(session, "content_octets"))), Look::accent);
}

std::string session_peer(const Json& session) {
  std::string address = text_of(session, "address");
  if (address.empty() && text_of(session, "side") == "in") return show(text_of(session, "user") + " (on this machine)");
  return show(endpoint_words(address, number_of(session, "port")));
}

std::string session_table(const std::vector<Json>& sessions) {
  constexpr auto right = Table::Align::right;
  Table table({{"ID"}, {"WITH"}, {"NAME"}, {"BY"}, {"AGE", right}, {"IDLE", right}, {"MSGS", right}, {"SIZE", right}, {"STATE"}, {"TLS AND USER"}});
  for (const Json& one : sessions) {
    std::string tls = show(text_of(one, "tls"), Look::good);
    std::string user = text_of(one, "address").empty() ? std::string() : show(text_of(one, "user"), Look::bold);
    table.row({dress(show(text_of(one, "session")), Look::bold), session_peer(one), cut(show(text_of(one, "name")), 30), show(text_of(one, "service")),
               age_text(number_of(one, "age_seconds")), age_text(number_of(one, "idle_seconds")), std::to_string(number_of(one, "messages")),
               octets_words(one), session_state(one), tls + (tls.empty() || user.empty() ? "" : " ") + user});
  }
  return table.text();
}

std::string session_page(const Json& session) {
  bool incoming = text_of(session, "side") == "in";
  std::string out;
  auto line = [&](std::string_view what, const std::string& text) {
    if (!text.empty()) out += fmt::format("{}  {}\n", dress(fmt::format("{:<11}", what), Look::dim), text);
  };
  line("session", dress(show(text_of(session, "session")), Look::bold) + (incoming ? ", incoming" : ", outgoing"));
  line(incoming ? "client" : "host", session_peer(session));
  line(incoming ? "said hello" : "named", show(text_of(session, "name")));
  line("local end", show(endpoint_words(text_of(session, "local_address"), number_of(session, "local_port"))));
  line(incoming ? "listener" : "transport", show(text_of(session, "service")));
  line("destination", show(text_of(session, "site")));
  line("since", time_text(number_of(session, "since")) + " (" + age_text(number_of(session, "age_seconds")) + ")");
  line("TLS", text_of(session, "tls").empty() ? show("none") : show(text_of(session, "tls"), Look::good));
  line("user", show(text_of(session, "user"), Look::bold));
  line("state", session_state(session) + ", idle for " + age_text(number_of(session, "idle_seconds")));
  line("so far", fmt::format("{} messages, {} recipients, {}", number_of(session, "messages"), number_of(session, "recipients"), octets_words(session)));
  return out;
}

}  // namespace mansio::ctl
