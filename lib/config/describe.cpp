#include "config/describe.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/retry.hpp"
#include "config/settings.hpp"

namespace mansio::config {
namespace {

// A libconfig string: control characters can't be in it, the reader refuses them.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? ", " : " ") + quoted(name);
  return out + " ]";
}

// The word that the table has for an enum's value.
template <class E>
std::string word_of(std::string_view path, E value) {
  return quoted(split(find_setting(path)->words, ' ').at(static_cast<std::size_t>(value)));
}

std::string size_text(ByteSize size) { return quoted(format_size(size)); }
std::string duration_text(Duration duration) { return quoted(format_duration(duration)); }

// { name = value; ... } on one line; a pair with an empty value is left out.
using Pairs = std::vector<std::pair<std::string_view, std::string>>;
std::string group_text(const Pairs& pairs) {
  std::string out = "{";
  for (const auto& [name, value] : pairs) {
    if (!value.empty()) out += fmt::format(" {} = {};", name, value);
  }
  return out + " }";
}

template <class Items, class Format>
std::string groups_text(const Items& items, Format format) {
  std::string out = "(";
  for (const auto& item : items) out += fmt::format("{}\n  {}", out.size() > 1 ? "," : "", format(item));
  return out + "\n)";
}

std::string listener_text(const Listener& l) {
  return group_text({{"address", quoted(l.address)}, {"port", std::to_string(l.port)}, {"role", word_of("listeners[].role", l.role)},
                     {"tls", word_of("listeners[].tls", l.tls)}, {"auth", l.auth ? fmt::format("{}", *l.auth) : ""}});
}

std::string users_text(const Users& users) {
  switch (users.kind) {
    case UsersKind::none: return {};
    case UsersKind::system: return "\"system\"";
    case UsersKind::list: return quoted_list(users.list);
    case UsersKind::passwd_file: return quoted("passwd-file:" + users.passwd_file);
  }
  return {};
}

std::string timeouts_text(const ClientTimes& t) {
  return group_text({{"connect", duration_text(t.connect)}, {"greeting", duration_text(t.greeting)}, {"hello", duration_text(t.hello)},
                     {"mail", duration_text(t.mail)}, {"rcpt", duration_text(t.rcpt)}, {"data_init", duration_text(t.data_init)},
                     {"data_block", duration_text(t.data_block)}, {"data_end", duration_text(t.data_end)}});
}

void remote_pairs(const Transport& t, Pairs& pairs) {
  auto given = [&](std::string_view name, const std::string& text) { pairs.emplace_back(name, text.empty() ? "" : quoted(text)); };
  pairs.emplace_back("hosts", quoted_list(t.hosts));
  pairs.emplace_back("hosts_order", t.hosts_random ? "\"random\"" : "\"given\"");
  pairs.emplace_back("fallback", quoted_list(t.fallback));
  pairs.emplace_back("port", std::to_string(t.port));
  pairs.emplace_back("tls", word_of("transports.*.tls", t.tls));
  given("source_address", t.source_address);
  given("source_address6", t.source_address6);
  given("helo_name", t.helo_name);
  pairs.emplace_back("family", word_of("transports.*.family", t.family));
  pairs.emplace_back("connections", std::to_string(t.connections));
  pairs.emplace_back("messages_per_connection", std::to_string(t.messages_per_connection));
  pairs.emplace_back("connection_idle", duration_text(t.connection_idle));
  pairs.emplace_back("connection_lifetime", duration_text(t.connection_lifetime));
  pairs.emplace_back("recipients_per_message", std::to_string(t.recipients_per_message));
  pairs.emplace_back("timeouts", timeouts_text(t.timeouts));
}

std::string transport_text(const Transport& t) {
  Pairs pairs{{"kind", word_of("transports.*.kind", t.kind)}};
  switch (t.kind) {
    case TransportKind::maildir:
    case TransportKind::mbox: pairs.emplace_back("path", quoted(t.path)); break;
    case TransportKind::drop: pairs.emplace_back("directory", quoted(t.directory)); break;
    case TransportKind::pipe:
      pairs.emplace_back("command", quoted_list(t.command));
      pairs.emplace_back("timeout", duration_text(t.timeout));
      break;
    case TransportKind::smtp:
    case TransportKind::lmtp: remote_pairs(t, pairs); break;
  }
  return group_text(pairs);
}

std::string limits_text(const Config& c) {
  const Limits& l = c.limits;
  auto count = [](std::uint32_t n) { return std::to_string(n); };
  return group_text({{"message_size", size_text(l.message_size)}, {"recipients", count(l.recipients)}, {"connections", count(l.connections)},
                     {"connections_per_client", count(l.connections_per_client)},
                     {"messages_per_connection", count(l.messages_per_connection)}, {"session_size", size_text(l.session_size)},
                     {"hops", count(l.hops)}, {"command_timeout", duration_text(l.command_timeout)},
                     {"data_timeout", duration_text(l.data_timeout)}, {"data_minimum_rate", count(l.data_minimum_rate)},
                     {"errors", count(l.errors)}, {"command_line", count(l.command_line)}, {"chunks", count(l.chunks)},
                     {"outbound_connections", count(c.outbound_connections)}});
}

std::string domains_text(const Domains& d) {
  auto alias = [](const DomainAlias& a) { return group_text({{"from", quoted(a.from)}, {"to", quoted(a.to)}}); };
  return group_text({{"local", quoted_list(d.local)}, {"relay_to", quoted_list(d.relay_to)}, {"alias", groups_text(d.alias, alias)}});
}

std::string transports_text(const std::vector<Transport>& transports) {
  std::string out = "{";
  for (const Transport& t : transports) out += fmt::format("\n  {} = {};", t.name, transport_text(t));
  return out + "\n}";
}

std::string route_text(const Route& r) {
  return group_text({{"name", quoted(r.name)}, {"domains", quoted_list(r.domains)},
                     {"senders", r.senders.empty() ? "" : quoted_list(r.senders)}, {"users", users_text(r.users)}, {"transport", quoted(r.transport)}});
}

std::string retry_text(const RetryRule& r) {
  return group_text({{"domains", quoted_list(r.domains)}, {"schedule", quoted(format_schedule(r.schedule))}});
}

}  // namespace

std::string describe(const Config& c) {
  bool tls = !c.tls.certificates.empty();
  const Pairs lines{
    {"version", "1"}, {"host_name", quoted(c.host_name)}, {"mail_name", quoted(c.mail_name)}, {"postmaster", quoted(c.postmaster)},
    {"run_as", quoted(c.run_as)}, {"spool_directory", quoted(c.spool_directory)}, {"log_directory", quoted(c.log_directory)},
    {"run_directory", quoted(c.run_directory)}, {"listeners", groups_text(c.listeners, listener_text)},
    {"tls", tls ? group_text({{"certificate", quoted(c.tls.certificates[0].certificate)}, {"key", quoted(c.tls.certificates[0].key)}}) : ""},
    {"domains", domains_text(c.domains)}, {"relay_from", quoted_list(c.relay_from)}, {"limits", limits_text(c)},
    {"smtp", group_text({{"bare_newline", word_of("smtp.bare_newline", c.bare_newline)}})},
    {"transports", transports_text(c.transports)}, {"routes", groups_text(c.routes, route_text)}, {"aliases", quoted(c.aliases)},
    {"recipient_delimiter", quoted(c.recipient_delimiter)}, {"trusted_users", quoted_list(c.trusted_users)},
    {"sendmail", group_text({{"extract_addresses_remove_arguments", fmt::format("{}", c.extract_addresses_remove_arguments)}})},
    {"retry", groups_text(c.retry, retry_text)}, {"delay_warning", duration_text(c.delay_warning)},
    {"bounce_return_size", size_text(c.bounce_return_size)},
    {"bounce_copy_to", quoted(c.bounces.copy_to)}, {"bounce_templates", quoted(c.bounces.templates)},
    {"badmail_directory", quoted(c.bounces.badmail)},
    {"dns", group_text({{"servers", quoted_list(c.dns.servers)}, {"timeout", duration_text(c.dns.timeout)}, {"attempts", std::to_string(c.dns.attempts)}})},
    {"log", group_text({{"format", word_of("log.format", c.log_format)}, {"journal", fmt::format("{}", c.log_journal)}})},
    {"spool", group_text({{"segment_size", size_text(c.spool_segment_size)}, {"reserve", size_text(c.spool_reserve)}})},
    {"deliver", group_text({{"agents", std::to_string(c.deliver_agents)}})}, {"shutdown_grace", duration_text(c.shutdown_grace)}};
  std::string out;
  for (const auto& [name, value] : lines) {
    if (!value.empty()) out += fmt::format("{} = {};\n", name, value);
  }
  return out;
}

}  // namespace mansio::config
