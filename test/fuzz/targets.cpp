#include "fuzz/targets.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace fuzz {

void require(bool holds, const char* invariant) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %s\n", invariant);
  std::abort();
}

std::span<const Target> targets() {
  static const std::vector<Target> all{
      {"address", {{"address", address}, {"list", list}}},
      {"agent",
       {{"job", job}, {"job_texts", job_texts}, {"mailbox", mailbox}, {"packet", packet}, {"memory_file", memory_file}}, 3},
      {"client_session", {{"client_session", client_session}}, 20},
      {"commands", {{"command", command}, {"masking", masking}}},
      {"configuration", {{"configuration", configuration}, {"answers", answers}, {"takeover", takeover}}, 8},
      {"control", {{"selection", selection}, {"glob", glob}, {"trace_target", trace_target}, {"http", http}}, 2},
      {"convert", {{"convert", convert}}},
      {"data", {{"data", data}, {"stuffing", stuffing}, {"line_ends", line_ends}}},
      {"directory", {{"ldap_values", ldap_values}, {"ldap_entry", ldap_entry}, {"principal", principal}, {"keytab", keytab}}, 2},
      {"dns", {{"dns", dns}, {"dns_name", dns_name}, {"resolv_conf", resolv_conf}, {"name_server", name_server}, {"spf", spf}}},
      {"encoding", {{"base64", base64}, {"xtext", xtext}, {"digits", digits}, {"escapes", escapes}}},
      {"header",
       {{"header", header}, {"received", received}, {"sender_field", sender_field}, {"media_type", media_type},
        {"date", date}}},
      {"history", {{"history", history}, {"when", when}, {"w3c", w3c}, {"replayed", replayed}}, 2},
      {"letters", {{"envelope", envelope}, {"pickup", pickup}, {"badmail", badmail}, {"letter", letter}}, 2},
      {"reply", {{"reply", reply}, {"server_reply", server_reply}}},
      {"reports", {{"dsn", dsn}, {"report_template", report_template}}, 2},
      {"routing", {{"aliases", aliases}, {"forward", forward}, {"words", words}, {"table_list", table_list}}},
      {"sasl",
       {{"sasl_plain", sasl_plain}, {"sasl_login", sasl_login}, {"sasl_scram", sasl_scram},
        {"sasl_scram_plus", sasl_scram_plus}, {"sasl_oauthbearer", sasl_oauthbearer}, {"sasl_xoauth2", sasl_xoauth2},
        {"sasl_external", sasl_external}, {"sasl_gssapi", sasl_gssapi}, {"scram_client", scram_client},
        {"simple_clients", simple_clients}, {"scram_messages", scram_messages}}},
      {"sendmail", {{"sendmail_options", sendmail_options}, {"sendmail_message", sendmail_message}, {"listing", listing}}, 2},
      {"server_session", {{"server_session", server_session}}, 40},
      {"settings",
       {{"quantity", quantity}, {"path_template", path_template}, {"names", names}, {"clients", clients},
        {"next_hop", next_hop}, {"schedule", schedule}, {"drop", drop}, {"ldap_words", ldap_words}}},
      {"spool",
       {{"journal", journal}, {"journal_headers", journal_headers}, {"deferred", deferred}, {"progress", progress},
        {"sites", sites}, {"pauses", pauses}, {"queue_id", queue_id}}, 10},
      {"submission", {{"submission", submission}, {"submitted_header", submitted_header}}, 2},
      {"tls", {{"certificates", certificates}, {"staple", staple}, {"tls_records", tls_records}}, 60},
      {"users",
       {{"passwd_file", passwd_file}, {"passwd_edit", passwd_edit}, {"password_entry", password_entry},
        {"saslprep", saslprep}, {"dovecot_line", dovecot_line}, {"user_file", user_file}, {"credentials", credentials},
        {"senders_file", senders_file}}, 4},
  };
  return all;
}

const Target* find_target(std::string_view name) {
  auto found = std::ranges::find(targets(), name, &Target::name);
  return found == targets().end() ? nullptr : &*found;
}

void run(const Target& target, std::string_view input) {
  std::size_t part = 0;
  if (target.parts.size() > 1) {
    if (input.empty()) return;
    part = (static_cast<unsigned char>(input.front()) - 'a' + 256u) % 32 % target.parts.size();
    input.remove_prefix(1);
  }
  target.parts[part].run(input);
}

}  // namespace fuzz
