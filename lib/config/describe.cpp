#include "config/describe.hpp"

#include "config/describe_text.hpp"

namespace mansio::config {
namespace written {
namespace {

void rules_pairs(const TlsRules& rules, std::string_view prefix, Pairs& pairs) {
  static constexpr std::string_view names[] = {"min_version", "ciphers", "cipher_suites", "groups", "tls_min_version", "tls_ciphers", "tls_cipher_suites", "tls_groups"};
  const std::string* values[] = {&rules.min_version, &rules.ciphers, &rules.cipher_suites, &rules.groups};
  for (std::size_t i = 0; i < 4; ++i) pairs.emplace_back(names[prefix.empty() ? i : i + 4], given(*values[i]));
}

std::string listener_text(const Listener& l) {
  Pairs pairs{{"address", quoted(l.address)}, {"port", std::to_string(l.port)}, {"role", word_of("listeners[].role", l.role)},
              {"tls", word_of("listeners[].tls", l.tls)}};
  rules_pairs(l.tls_rules, "tls_", pairs);
  pairs.emplace_back("ask_certificate", yes_or_no(l.ask_certificate));
  pairs.emplace_back("auth", l.auth ? yes_or_no(*l.auth) : "");
  listener_access(l, pairs);
  return group_text(pairs);
}

std::string tls_text(const Tls& t) {
  auto files = [](const CertificateFiles& f) { return Pairs{{"certificate", quoted(f.certificate)}, {"key", quoted(f.key)}, {"ocsp", given(f.staple)}}; };
  Pairs pairs;
  if (!t.certificates.empty()) pairs = files(t.certificates.front());
  if (t.certificates.size() > 1) {
    std::vector<CertificateFiles> further(t.certificates.begin() + 1, t.certificates.end());
    pairs.emplace_back("certificates", groups_text(further, [&](const CertificateFiles& f) { return group_text(files(f)); }));
  }
  rules_pairs(t.rules, "", pairs);
  pairs.emplace_back("authorities", given(t.authorities));
  pairs.emplace_back("resumption", yes_or_no(t.resumption));
  return group_text(pairs);
}

std::string auth_kerberos(const Auth::Kerberos& k) {
  if (k.keytab.empty() && k.principal.empty() && k.realms.empty()) return {};
  return group_text({{"keytab", given(k.keytab)}, {"principal", given(k.principal)}, {"realms", k.realms.empty() ? "" : quoted_list(k.realms)}});
}

std::string auth_text(const Auth& a) {
  static constexpr std::string_view kinds[] = {"", "passwd-file:", "pam:", "dovecot:"};
  std::string users = a.users == AuthUsers::none ? "" : quoted(std::string(kinds[static_cast<std::size_t>(a.users)]) + a.source);
  return group_text({{"users", users}, {"mechanisms", a.mechanisms.empty() ? "" : quoted_list(a.mechanisms)},
                     {"clear_text", yes_or_no(a.clear_text)}, {"certificates", given(a.certificates)},
                     {"tries", std::to_string(a.tries)}, {"delay", duration_text(a.delay)}, {"kerberos", auth_kerberos(a.kerberos)}});
}

std::string submission_text(const Submission& s) {
  std::string senders = s.senders == Senders::table ? "file:" + s.senders_file : s.senders == Senders::own ? "own" : "any";
  return group_text({{"hide_client", yes_or_no(s.hide_client)}, {"masquerade", quoted_list(s.masquerade)}, {"senders", quoted(senders)},
                     {"messages_per_hour", std::to_string(s.messages_per_hour)}, {"recipients_per_hour", std::to_string(s.recipients_per_hour)}});
}

std::string policy_text(const TlsPolicy& p) {
  return group_text({{"domains", quoted_list(p.domains)}, {"tls", word_of("tls_policy[].tls", p.tls)},
                     {"names", p.names.empty() ? "" : quoted_list(p.names)}});
}

std::string users_text(const Users& users) {
  switch (users.kind) {
    case UsersKind::none: return {};
    case UsersKind::system: return "\"system\"";
    case UsersKind::list: return quoted_list(users.list);
    case UsersKind::passwd_file: return quoted("passwd-file:" + users.passwd_file);
    case UsersKind::ldap: return quoted("ldap:" + users.ldap);
  }
  return {};
}

std::string timeouts_text(const ClientTimes& t) {
  return group_text({{"connect", duration_text(t.connect)}, {"greeting", duration_text(t.greeting)}, {"hello", duration_text(t.hello)},
                     {"mail", duration_text(t.mail)}, {"rcpt", duration_text(t.rcpt)}, {"data_init", duration_text(t.data_init)},
                     {"data_block", duration_text(t.data_block)}, {"data_end", duration_text(t.data_end)}});
}

void remote_pairs(const Transport& t, Pairs& pairs) {
  pairs.emplace_back("hosts", quoted_list(t.hosts));
  pairs.emplace_back("hosts_order", t.hosts_random ? "\"random\"" : "\"given\"");
  if (t.kind == TransportKind::smtp) pairs.emplace_back("direct_first", yes_or_no(t.direct_first));
  pairs.emplace_back("fallback", quoted_list(t.fallback));
  pairs.emplace_back("port", std::to_string(t.port));
  pairs.emplace_back("tls", word_of("transports.*.tls", t.tls));
  pairs.emplace_back("tls_implicit", yes_or_no(t.tls_implicit));
  rules_pairs(t.tls_rules, "tls_", pairs);
  pairs.emplace_back("tls_authorities", given(t.tls_authorities));
  pairs.emplace_back("tls_certificate", given(t.tls_certificate.certificate));
  pairs.emplace_back("tls_key", given(t.tls_certificate.key));
  pairs.emplace_back("credentials", given(t.credentials));
  pairs.emplace_back("auth_mechanisms", t.auth_mechanisms.empty() ? "" : quoted_list(t.auth_mechanisms));
  pairs.emplace_back("auth_unverified", yes_or_no(t.auth_unverified));
  pairs.emplace_back("source_address", given(t.source_address));
  pairs.emplace_back("source_address6", given(t.source_address6));
  pairs.emplace_back("helo_name", given(t.helo_name));
  if (t.kind == TransportKind::smtp) pairs.emplace_back("hello", t.plain_helo ? "\"helo\"" : "\"ehlo\"");
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
    case TransportKind::drop:
      pairs.emplace_back("directory", quoted(t.directory));
      pairs.emplace_back("quota", size_text(t.quota));
      pairs.emplace_back("quota_files", std::to_string(t.quota_files));
      pairs.emplace_back("owner", given(t.owner));
      pairs.emplace_back("mode", quoted(t.mode));
      break;
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
  return group_text({{"local", quoted_list(d.local)}, {"relay_to", quoted_list(d.relay_to)}, {"alias", groups_text(d.alias, alias)},
                     {"hold_for_etrn", quoted_list(d.hold_for_etrn)}, {"etrn_from", d.etrn_from.empty() ? "" : quoted_list(d.etrn_from)}});
}

std::string transports_text(const std::vector<Transport>& transports) {
  std::string out = "{";
  for (const Transport& t : transports) out += fmt::format("\n  {} = {};", t.name, transport_text(t));
  return out + "\n}";
}

std::string route_text(const Route& r) {
  return group_text({{"name", quoted(r.name)}, {"domains", quoted_list(r.domains)},
                     {"senders", r.senders.empty() ? "" : quoted_list(r.senders)}, {"users", users_text(r.users)}, {"transport", quoted(r.transport)},
                     {"retry", r.retry.empty() ? "" : quoted(format_schedule(r.retry))}, {"delay_warning", r.delay_warning ? duration_text(*r.delay_warning) : ""}});
}

std::string retry_text(const RetryRule& r) {
  return group_text({{"domains", quoted_list(r.domains)}, {"schedule", quoted(format_schedule(r.schedule))}});
}

}  // namespace
}  // namespace written

std::string describe(const Config& c) {
  using namespace written;
  const std::vector<Line> lines{
    {"version", "1"}, {"host_name", quoted(c.host_name)}, {"mail_name", quoted(c.mail_name)}, {"postmaster", quoted(c.postmaster)},
    {"run_as", quoted(c.run_as)}, {"spool_directory", quoted(c.spool_directory)}, {"log_directory", quoted(c.log_directory)},
    {"run_directory", quoted(c.run_directory)}, {"listeners", groups_text(c.listeners, listener_text)},
    {"tls", tls_text(c.tls)}, {"auth", auth_text(c.auth)},
    {"submission", submission_text(c.submission)},
    {"access", clients_text(c.access)}, {"domains", domains_text(c.domains)}, {"relay_from", quoted_list(c.relay_from)},
    {"relay_deny", quoted_list(c.relay_deny)}, {"relay_authenticated", yes_or_no(c.relay_authenticated)},
    {"odmr", c.odmr.empty() ? "" : groups_text(c.odmr, odmr_text)}, {"pickup", c.pickups.empty() ? "" : groups_text(c.pickups, pickup_text)}, {"limits", limits_text(c)},
    {"smtp", group_text({{"reverse_dns", yes_or_no(c.reverse_dns)}, {"bare_newline", word_of("smtp.bare_newline", c.bare_newline)}})},
    {"smart_host", quoted_list(c.smart_host)}, {"direct_first", yes_or_no(c.direct_first)},
    {"transports", transports_text(c.transports)},
    {"tls_policy", c.tls_policies.empty() ? "" : groups_text(c.tls_policies, policy_text)}, {"routes", groups_text(c.routes, route_text)},
    {"domain_settings", c.domain_settings.empty() ? "" : groups_text(c.domain_settings, domain_settings_text)},
    {"ldap", c.ldap.empty() ? "" : ldap_text(c.ldap)}, {"aliases", quoted(c.aliases)}, {"alias_look_ups", quoted_list(c.alias_look_ups)},
    {"recipient_delimiter", quoted(c.recipient_delimiter)}, {"trusted_users", quoted_list(c.trusted_users)},
    {"sendmail", group_text({{"extract_addresses_remove_arguments", fmt::format("{}", c.extract_addresses_remove_arguments)}})},
    {"retry", groups_text(c.retry, retry_text)}, {"delay_warning", duration_text(c.delay_warning)},
    {"bounce_return_size", size_text(c.bounce_return_size)},
    {"bounce_copy_to", quoted(c.bounces.copy_to)}, {"bounce_templates", quoted(c.bounces.templates)},
    {"badmail_directory", quoted(c.bounces.badmail)},
    {"dns", group_text({{"servers", quoted_list(c.dns.servers)}, {"timeout", duration_text(c.dns.timeout)}, {"attempts", std::to_string(c.dns.attempts)}})},
    {"log", group_text({{"format", word_of("log.format", c.log_format)}, {"journal", fmt::format("{}", c.log_journal)},
                        {"connections", yes_or_no(c.log_connections)}, {"w3c", yes_or_no(c.w3c)}, {"w3c_fields", c.w3c_fields.empty() ? "" : quoted_list(c.w3c_fields)}})},
    {"control", group_text({{"admins", quoted_list(c.control_admins)}, {"readers", quoted_list(c.control_readers)}})},
    {"metrics", c.metrics_listen.empty() ? "" : group_text({{"listen", quoted(c.metrics_listen)}})},
    {"spool", group_text({{"segment_size", size_text(c.spool_segment_size)}, {"reserve", size_text(c.spool_reserve)}})},
    {"mail_processes", std::to_string(c.mail_processes)}, {"system_calls", word_of("system_calls", c.system_calls)},
    {"deliver", group_text({{"agents", std::to_string(c.deliver_agents)}})}, {"shutdown_grace", duration_text(c.shutdown_grace)}};
  std::string out;
  for (const auto& [name, value] : lines) {
    if (!value.empty()) out += fmt::format("{} = {};\n", name, value);
  }
  return out;
}

}  // namespace mansio::config
