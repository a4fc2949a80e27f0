// Rows of the settings table: listeners, their TLS, log-ins and submission; included by settings_table.hpp alone.
#pragma once
#include "config/settings_units.hpp"

namespace mansio::config::rows {

// tls.certificate, tls.key and tls.ocsp stand for the first of tls.certificates.
inline CertificateFiles& first_certificate(Config& c) {
  if (c.tls.certificates.empty()) c.tls.certificates.emplace_back();
  return c.tls.certificates.front();
}

inline ClientRules& access_of(Config& c) {
  auto& rules = c.listeners.back().access;
  return rules ? *rules : rules.emplace();
}
inline ClientRules& relay_of(Config& c) {
  auto& rules = c.listeners.back().relay;
  return rules ? *rules : rules.emplace();
}

inline constexpr auto listening_rows = std::to_array<Setting>({
  {.path = "listeners[].address", .fallback = "\"*\"",
   .doc = "An IPv4 or IPv6 address, \"*\" for all of them, or \"unix:\" and a path.",
   .store = [](C& c, const V& v) { c.listeners.back().address = v.text; }},
  {.path = "listeners[].port", .type = Type::integer, .fallback = "25", .least = 0, .most = 65535,
   .doc = "The port. 0 takes a free one.",
   .store = [](C& c, const V& v) { c.listeners.back().port = v.port(); }},
  {.path = "listeners[].role", .type = Type::word, .fallback = "\"relay\"", .words = "relay submission lmtp odmr",
   .doc = "\"relay\" takes mail from other servers. \"submission\" takes it from users that log in, or that may open its "
          "unix socket. \"lmtp\" speaks LMTP, on a unix socket or a loopback address only. \"odmr\" gives waiting mail to who "
          "logs in and asks for it, see MAIL THAT IS FETCHED.",
   .store = [](C& c, const V& v) { c.listeners.back().role = static_cast<Role>(v.number); }},
  {.path = "listeners[].tls", .type = Type::word, .note = "see TLS", .words = "none starttls required implicit",
   .doc = "\"starttls\" offers TLS, \"required\" takes no mail and no log-in without it, \"implicit\" begins with it, as on "
          "port 465.",
   .store = [](C& c, const V& v) { c.listeners.back().tls = static_cast<ListenerTls>(v.number); }},
  {.path = "listeners[].tls_min_version", .type = Type::word, .note = "tls.min_version", .words = "1.2 1.3",
   .doc = "The oldest version of TLS that this listener speaks.",
   .store = [](C& c, const V& v) { c.listeners.back().tls_rules.min_version = v.text; }},
  {.path = "listeners[].tls_ciphers", .note = "tls.ciphers",
   .doc = "The ciphers of this listener in TLS 1.2.",
   .store = [](C& c, const V& v) { c.listeners.back().tls_rules.ciphers = v.text; }},
  {.path = "listeners[].tls_cipher_suites", .note = "tls.cipher_suites",
   .doc = "The cipher suites of this listener in TLS 1.3.",
   .store = [](C& c, const V& v) { c.listeners.back().tls_rules.cipher_suites = v.text; }},
  {.path = "listeners[].tls_groups", .note = "tls.groups",
   .doc = "The key exchange groups of this listener.",
   .store = [](C& c, const V& v) { c.listeners.back().tls_rules.groups = v.text; }},
  {.path = "listeners[].ask_certificate", .type = Type::boolean, .fallback = "false",
   .doc = "Whether clients are asked for a certificate. One that can't be verified is noted in the log and counts as none.",
   .store = [](C& c, const V& v) { c.listeners.back().ask_certificate = v.flag(); }},
  {.path = "listeners[].auth", .type = Type::boolean, .note = "true where users send or must log in, and there are users; else false",
   .doc = "Whether clients may log in. A submission listener on an address needs it, unless auth_required is false.",
   .store = [](C& c, const V& v) { c.listeners.back().auth = v.flag(); }},
  {.path = "listeners[].auth_required", .type = Type::boolean, .note = "true for submission on an address, else false",
   .doc = "Whether clients must log in before they send. False on a submission listener lets those of relay_from send without.",
   .store = [](C& c, const V& v) { c.listeners.back().auth_required = v.flag(); }},
  {.path = "listeners[].auth_mechanisms", .type = Type::names, .note = "auth.mechanisms",
   .doc = "The SASL mechanisms of this listener, instead of auth.mechanisms. See LOGGING IN.",
   .store = [](C& c, const V& v) { c.listeners.back().auth_mechanisms = v.names; }},
  {.path = "listeners[].access.allow", .type = Type::names, .note = "access.allow",
   .doc = "The clients that may connect to this listener, instead of access.allow.",
   .store = [](C& c, const V& v) { access_of(c).allow = v.names; }},
  {.path = "listeners[].access.deny", .type = Type::names, .note = "access.deny",
   .doc = "The clients that may not, instead of access.deny.",
   .store = [](C& c, const V& v) { access_of(c).deny = v.names; }},
  {.path = "listeners[].relay_from", .type = Type::names, .note = "relay_from",
   .doc = "The clients that may send mail to anywhere through this listener, instead of relay_from.",
   .store = [](C& c, const V& v) { relay_of(c).allow = v.names; }},
  {.path = "listeners[].relay_deny", .type = Type::names, .note = "relay_deny",
   .doc = "Those that may not, instead of relay_deny.",
   .store = [](C& c, const V& v) { relay_of(c).deny = v.names; }},
  {.path = "listeners[].limits.connections", .type = Type::integer, .note = "no limit of its own", .least = 1, .most = 1000000,
   .doc = "Connections at once to this listener. Those of all listeners together stay below limits.connections.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.connections = v.count(); }},
  {.path = "listeners[].limits.connections_per_client", .type = Type::integer, .note = "limits.connections_per_client", .least = 1, .most = 1000000,
   .doc = "Connections at once from one client address to this listener.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.connections_per_client = v.count(); }},
  {.path = "listeners[].limits.messages_per_connection", .type = Type::integer, .note = "limits.messages_per_connection", .least = 1, .most = 1000000,
   .doc = "Messages in one connection.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.messages_per_connection = v.count(); }},
  {.path = "listeners[].limits.recipients", .type = Type::integer, .note = "limits.recipients", .least = 1, .most = 1000000,
   .doc = "Recipients of one message.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.recipients = v.count(); }},
  {.path = "listeners[].limits.message_size", .type = Type::size, .note = "limits.message_size", .least = kib, .most = 1024 * gib,
   .doc = "The largest message.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.message_size = v.size(); }},
  {.path = "listeners[].limits.session_size", .type = Type::size, .note = "limits.session_size", .least = kib, .most = 1024 * gib,
   .doc = "Bytes of all messages of one connection together.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.session_size = v.size(); }},
  {.path = "listeners[].limits.command_timeout", .type = Type::duration, .note = "limits.command_timeout", .least = second, .most = day,
   .doc = "How long a client may take to send its next command.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.command_timeout = v.duration(); }},
  {.path = "listeners[].limits.data_timeout", .type = Type::duration, .note = "limits.data_timeout", .least = second, .most = day,
   .doc = "How long a client may be silent inside a message.",
   .store = [](C& c, const V& v) { c.listeners.back().limits.data_timeout = v.duration(); }},
  {.path = "listeners[].log_connections", .type = Type::boolean, .note = "log.connections",
   .doc = "Whether the log has a line for each connection to this listener.",
   .store = [](C& c, const V& v) { c.listeners.back().log_connections = v.flag(); }},
  {.path = "listeners[].w3c", .type = Type::boolean, .note = "log.w3c",
   .doc = "Whether what happens at this listener is in w3clog.",
   .store = [](C& c, const V& v) { c.listeners.back().w3c = v.flag(); }},

  {.path = "tls.certificate", .type = Type::path, .note = "none, so listeners have no TLS",
   .doc = "The certificate of this server and those that lead to its authority, PEM. A file that changes is read again.",
   .store = [](C& c, const V& v) { first_certificate(c).certificate = v.text; }},
  {.path = "tls.key", .type = Type::path,
   .doc = "The private key of the certificate, PEM. A file that everybody may read is not used.",
   .store = [](C& c, const V& v) { first_certificate(c).key = v.text; }},
  {.path = "tls.ocsp", .type = Type::path, .note = "none",
   .doc = "An OCSP response for the certificate, DER, to be given to clients. Another program keeps it fresh.",
   .store = [](C& c, const V& v) { first_certificate(c).staple = v.text; }},
  {.path = "tls.certificates[].certificate", .type = Type::path, .required = true,
   .doc = "A further certificate: for other names, which clients choose by SNI, or with a key of another kind.",
   .store = [](C& c, const V& v) { c.tls.certificates.back().certificate = v.text; }},
  {.path = "tls.certificates[].key", .type = Type::path, .required = true,
   .doc = "Its private key.",
   .store = [](C& c, const V& v) { c.tls.certificates.back().key = v.text; }},
  {.path = "tls.certificates[].ocsp", .type = Type::path, .note = "none",
   .doc = "Its OCSP response.",
   .store = [](C& c, const V& v) { c.tls.certificates.back().staple = v.text; }},
  {.path = "tls.min_version", .type = Type::word, .fallback = "\"1.2\"", .words = "1.2 1.3",
   .doc = "The oldest version of TLS that listeners speak.",
   .store = [](C& c, const V& v) { c.tls.rules.min_version = v.text; }},
  {.path = "tls.ciphers", .note = "those with forward secrecy and authenticated encryption",
   .doc = "The ciphers of TLS 1.2, as OpenSSL's ciphers(1) writes them.",
   .store = [](C& c, const V& v) { c.tls.rules.ciphers = v.text; }},
  {.path = "tls.cipher_suites", .note = "those of OpenSSL",
   .doc = "The cipher suites of TLS 1.3, with \":\" between them.",
   .store = [](C& c, const V& v) { c.tls.rules.cipher_suites = v.text; }},
  {.path = "tls.groups", .note = "X25519 and the NIST curves",
   .doc = "The groups of the key exchange, best first, such as \"X25519:P-256\".",
   .store = [](C& c, const V& v) { c.tls.rules.groups = v.text; }},
  {.path = "tls.authorities", .type = Type::path, .note = "those of the system",
   .doc = "The certificates of the authorities that clients' certificates are verified with, PEM.",
   .store = [](C& c, const V& v) { c.tls.authorities = v.text; }},
  {.path = "tls.resumption", .type = Type::boolean, .fallback = "true",
   .doc = "Whether a client may resume an earlier TLS session, which saves time on both sides.",
   .store = [](C& c, const V& v) { c.tls.resumption = v.flag(); }},

  {.path = "auth.users", .type = Type::choice, .note = "none, so nobody can log in", .words = "passwd-file:PATH pam pam:NAME dovecot:PATH",
   .doc = "Who may log in: users of a file, of PAM with the service NAME (\"mansio\" when none is given), or of the "
          "auth server that listens on Dovecot's socket. See LOGGING IN.",
   .store = [](C& c, const V& v) {
     static constexpr AuthUsers kinds[] = {AuthUsers::passwd_file, AuthUsers::pam, AuthUsers::pam, AuthUsers::dovecot};
     c.auth.users = kinds[v.number];
     c.auth.source = c.auth.users == AuthUsers::pam && v.text.empty() ? "mansio" : v.text;
   }},
  {.path = "auth.mechanisms", .type = Type::names, .note = "all that these users can log in with, except EXTERNAL",
   .doc = "The SASL mechanisms to offer. PLAIN and LOGIN go with all users, the SCRAM ones with a file of users, OAUTHBEARER "
          "and XOAUTH2 with Dovecot, EXTERNAL with auth.certificates, GSSAPI with auth.kerberos.keytab.",
   .store = [](C& c, const V& v) { c.auth.mechanisms = v.names; }},
  {.path = "auth.clear_text", .type = Type::boolean, .fallback = "false",
   .doc = "Whether passwords may be sent without TLS, with PLAIN, LOGIN, OAUTHBEARER and XOAUTH2. Then others can read them.",
   .store = [](C& c, const V& v) { c.auth.clear_text = v.flag(); }},
  {.path = "auth.certificates", .type = Type::path, .note = "none",
   .doc = "A file of clients' certificates for EXTERNAL: on each line a SHA-256 fingerprint, a blank, and the name of the user.",
   .store = [](C& c, const V& v) { c.auth.certificates = v.text; }},
  {.path = "auth.tries", .type = Type::integer, .fallback = "3", .least = 1, .most = 100,
   .doc = "Failed log-ins in a session before it is ended.",
   .store = [](C& c, const V& v) { c.auth.tries = v.count(); }},
  {.path = "auth.delay", .type = Type::duration, .fallback = "\"1s\"", .least = 0, .most = 16 * second,
   .doc = "How long a client waits for the answer to a failed log-in. It doubles with each one, up to 16 seconds.",
   .store = [](C& c, const V& v) { c.auth.delay = v.duration(); }},
  {.path = "auth.kerberos.keytab", .type = Type::path, .note = "none, so there is no GSSAPI",
   .doc = "The keys of this server in its Kerberos realm, for the mechanism GSSAPI. A file that everybody may read is not used. See LOGGING IN.",
   .store = [](C& c, const V& v) { c.auth.kerberos.keytab = v.text; }},
  {.path = "auth.kerberos.principal", .note = "any that the keytab has a key of",
   .doc = "The name of this server there, such as \"smtp/mail.example.org@EXAMPLE.ORG\".",
   .store = [](C& c, const V& v) { c.auth.kerberos.principal = v.text; }},
  {.path = "auth.kerberos.realms", .type = Type::names, .note = "the realm of the keytab's first entry",
   .doc = "Realms whose users are known by their name alone. Users of other realms are refused.",
   .store = [](C& c, const V& v) { c.auth.kerberos.realms = v.names; }},

  {.path = "submission.hide_client", .type = Type::boolean, .fallback = "true",
   .doc = "Whether the name and address of the client are left out of the Received line of submitted mail.",
   .store = [](C& c, const V& v) { c.submission.hide_client = v.flag(); }},
  {.path = "submission.masquerade", .type = Type::names, .fallback = "[ ]",
   .doc = "Domains. An address in a domain below one of them is written as if it were in that one: user@host.example.org "
          "becomes user@example.org. The first that fits counts. A domain without a dot, such as the short name of a machine, "
          "becomes the first of the list. See SUBMISSION.",
   .store = [](C& c, const V& v) { c.submission.masquerade = v.names; }},
  {.path = "submission.senders", .type = Type::choice, .fallback = "\"any\"", .words = "any own file:PATH",
   .doc = "The addresses that a user who has logged in may send from, in the envelope and in From: any, its own alone, or "
          "those of a file. See SENDERS OF USERS.",
   .store = [](C& c, const V& v) {
     c.submission.senders = static_cast<Senders>(v.number);
     c.submission.senders_file = v.text;
   }},
  {.path = "submission.messages_per_hour", .type = Type::integer, .fallback = "0", .least = 0, .most = 1000000000,
   .doc = "Messages that one user may send in an hour. 0 sets no limit.",
   .store = [](C& c, const V& v) { c.submission.messages_per_hour = v.count(); }},
  {.path = "submission.recipients_per_hour", .type = Type::integer, .fallback = "0", .least = 0, .most = 1000000000,
   .doc = "Recipients, in all messages together, that one user may send to in an hour. 0 sets no limit.",
   .store = [](C& c, const V& v) { c.submission.recipients_per_hour = v.count(); }},
});

}  // namespace mansio::config::rows
