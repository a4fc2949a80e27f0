#include "config/describe_text.hpp"

namespace mansio::config::written {
namespace {

std::string list_if(const std::vector<std::string>& names) { return names.empty() ? std::string() : quoted_list(names); }
std::string count_if(const std::optional<std::uint32_t>& n) { return n ? std::to_string(*n) : std::string(); }
std::string size_if(const std::optional<ByteSize>& size) { return size ? size_text(*size) : std::string(); }
std::string duration_if(const std::optional<Duration>& duration) { return duration ? duration_text(*duration) : std::string(); }
std::string flag_if(const std::optional<bool>& flag) { return flag ? yes_or_no(*flag) : std::string(); }
std::string text_if(const std::optional<std::string>& text) { return text ? quoted(*text) : std::string(); }
std::string names_if(const std::optional<std::vector<std::string>>& names) { return names ? quoted_list(*names) : std::string(); }

}  // namespace

std::string clients_text(const ClientRules& rules) { return group_text({{"allow", list_if(rules.allow)}, {"deny", quoted_list(rules.deny)}}); }

void listener_access(const Listener& l, Pairs& pairs) {
  pairs.emplace_back("auth_required", flag_if(l.auth_required));
  pairs.emplace_back("auth_mechanisms", list_if(l.auth_mechanisms));
  if (l.access) pairs.emplace_back("access", clients_text(*l.access));
  if (l.relay) pairs.emplace_back("relay_from", quoted_list(l.relay->allow));
  if (l.relay) pairs.emplace_back("relay_deny", quoted_list(l.relay->deny));
  const ListenerLimits& m = l.limits;
  pairs.emplace_back("limits", group_text({{"connections", count_if(m.connections)}, {"connections_per_client", count_if(m.connections_per_client)},
                                           {"messages_per_connection", count_if(m.messages_per_connection)}, {"recipients", count_if(m.recipients)},
                                           {"message_size", size_if(m.message_size)}, {"session_size", size_if(m.session_size)},
                                           {"command_timeout", duration_if(m.command_timeout)}, {"data_timeout", duration_if(m.data_timeout)}}));
  pairs.emplace_back("log_connections", flag_if(l.log_connections));
  pairs.emplace_back("w3c", flag_if(l.w3c));
}

std::string pickup_text(const PickupDirectory& p) {
  return group_text({{"directory", quoted(p.directory)}, {"users", list_if(p.users)}, {"senders", p.own_sender ? "\"own\"" : "\"any\""},
                     {"settle", duration_text(p.settle)}});
}

std::string odmr_text(const Odmr& o) { return group_text({{"user", quoted(o.user)}, {"domains", quoted_list(o.domains)}}); }

std::string domain_settings_text(const DomainSettings& d) {
  static constexpr std::string_view tls[] = {"\"none\"", "\"opportunistic\"", "\"required\"", "\"verify\""};
  return group_text({{"domains", quoted_list(d.domains)}, {"relay", flag_if(d.relay)}, {"hosts", names_if(d.hosts)},
                     {"direct_first", flag_if(d.direct_first)}, {"fallback", names_if(d.fallback)}, {"port", d.port ? std::to_string(*d.port) : ""},
                     {"tls", d.tls ? std::string(tls[static_cast<std::size_t>(*d.tls)]) : ""}, {"tls_implicit", flag_if(d.tls_implicit)},
                     {"hello", d.plain_helo ? (*d.plain_helo ? "\"helo\"" : "\"ehlo\"") : ""}, {"helo_name", text_if(d.helo_name)},
                     {"credentials", text_if(d.credentials)}, {"source_address", text_if(d.source_address)},
                     {"source_address6", text_if(d.source_address6)}, {"connections", count_if(d.connections)},
                     {"messages_per_connection", count_if(d.messages_per_connection)}, {"recipients_per_message", count_if(d.recipients_per_message)},
                     {"timeout", duration_if(d.timeout)}, {"retry", d.retry.empty() ? "" : quoted(format_schedule(d.retry))},
                     {"delay_warning", duration_if(d.delay_warning)}});
}

std::string ldap_text(const std::vector<Ldap>& directories) {
  static constexpr std::string_view scopes[] = {"\"base\"", "\"one\"", "\"sub\""};
  std::string out = "{";
  for (const Ldap& d : directories) {
    out += fmt::format("\n  {} = {};", d.name, group_text({
      {"servers", quoted_list(d.servers)}, {"tls", d.tls == LdapTls::none ? "\"none\"" : "\"starttls\""}, {"authorities", given(d.authorities)},
      {"bind_dn", given(d.bind_dn)}, {"password_file", given(d.password_file)}, {"base", quoted(d.base)},
      {"scope", std::string(scopes[static_cast<std::size_t>(d.scope)])}, {"filter", given(d.filter)}, {"routing_address", quoted(d.routing_address)},
      {"routing_host", quoted(d.routing_host)}, {"members", given(d.members)}, {"member_addresses", given(d.member_addresses)},
      {"timeout", duration_text(d.timeout)}, {"connections", std::to_string(d.connections)}, {"cache", duration_text(d.cache)},
      {"cache_unknown", duration_text(d.cache_unknown)}}));
  }
  return out + "\n}";
}

}  // namespace mansio::config::written
