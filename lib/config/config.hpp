// The configuration as one immutable snapshot: what the files said, checked, with defaults filled in.
// Everything that runs holds a ConfigPtr and never looks at a file or a setting's name again; a reload makes a new
// snapshot and hands it to new work, while work under way keeps the old one.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.hpp"

namespace mansio::config {

enum class Role : std::uint8_t { relay, submission, lmtp, odmr };
enum class ListenerTls : std::uint8_t { none, starttls, required, implicit };

// What TLS may negotiate; "" stands for the safe default of lib/net.
struct TlsRules {
  std::string min_version;          // "1.2", "1.3"
  std::string ciphers;              // of TLS 1.2, an OpenSSL cipher list
  std::string cipher_suites;        // of TLS 1.3
  std::string groups;               // "X25519:P-256"
};

// Files that the parent reads, as root, and hands to the mail process (daemon/secrets.hpp).
struct CertificateFiles {
  std::string certificate, key;     // PEM
  std::string staple;               // an OCSP response, DER; "": none
};

struct Tls {                        // of listeners
  std::vector<CertificateFiles> certificates;   // the first is tls.certificate
  TlsRules rules;
  std::string authorities;          // PEM, to verify clients' certificates with; "": the system's
  bool resumption = true;
};

enum class AuthUsers : std::uint8_t { none, passwd_file, pam, dovecot };

struct Auth {
  AuthUsers users = AuthUsers::none;
  std::string source;                       // passwd-file: its path; pam: the service; dovecot: the socket's path
  std::vector<std::string> mechanisms;      // upper case; empty: all that `users` can answer
  bool clear_text = false;                  // PLAIN, LOGIN and tokens without TLS
  std::string certificates;                 // file: SHA-256 fingerprint and user, for EXTERNAL; "": none
  std::uint32_t tries = 3;                  // in a session, then 421
  Duration delay{std::chrono::seconds(1)};  // after a failure; doubles with each of a client, up to 16 s
  struct Kerberos {                         // auth.kerberos: the mechanism GSSAPI (RFC 4752)
    std::string keytab;                     // a secret file; "": no GSSAPI
    std::string principal;                  // "smtp/mail.example.org@EXAMPLE.ORG"; "": any of the keytab
    std::vector<std::string> realms;        // whose users log in under their bare name; none: the keytab's
  } kerberos;
};

enum class Senders : std::uint8_t { any, own, table };

struct Submission {
  bool hide_client = true;                  // no address, name and port of the client in Received
  std::vector<std::string> masquerade;      // domains; the sender and addresses in the header that are below them are written as if in them
  Senders senders = Senders::any;           // which senders a login may use, in the envelope and in From
  std::string senders_file;                 // of Senders::table
  std::uint32_t messages_per_hour = 0, recipients_per_hour = 0;     // of one login; 0: any number
};

// Clients: addresses, networks, look-ups "file:/path", and names ("mail.example.org", "*.example.org", "*"), which count when the
// client's address has that name and the name that address (config/clients.hpp).
struct ClientRules {
  std::vector<std::string> allow, deny;     // deny is stronger; no `allow`: everybody else
};

struct ListenerLimits {
  std::optional<std::uint32_t> connections, connections_per_client, messages_per_connection, recipients;
  std::optional<ByteSize> message_size, session_size;
  std::optional<Duration> command_timeout, data_timeout;
};

struct Listener {
  std::string address = "*";        // "*", IPv4, IPv6 literal, or "unix:/path"
  std::uint16_t port = 25;          // 0: a free one
  Role role = Role::relay;
  ListenerTls tls = ListenerTls::none;      // default: starttls when there is a certificate; implicit for submission on port 465
  std::optional<bool> auth;         // always there in a snapshot; default: true for submission when auth.users is given
  TlsRules tls_rules;               // in a snapshot, what was not given is as in Config::tls
  bool ask_certificate = false;     // of clients
  std::vector<std::string> auth_mechanisms; // upper case; empty: auth.mechanisms
  std::optional<bool> auth_required;        // before MAIL; always there in a snapshot; default: true for submission on an address, and for odmr
  // What is not given is as in Config; in a snapshot all is given.
  ListenerLimits limits;
  std::optional<ClientRules> access;
  std::optional<ClientRules> relay;         // who may send anywhere: relay_from and relay_deny
  std::optional<bool> log_connections, w3c;
  std::string setting;              // "listeners[0]", for error texts
};

struct DomainAlias {
  std::string from, to;             // domains, lower case A-labels
};

struct Domains {
  std::vector<std::string> local;       // patterns: "example.org", "*.example.org", look-ups "file:/path"
  std::vector<std::string> relay_to;
  std::vector<DomainAlias> alias;
  std::vector<std::string> hold_for_etrn;   // patterns: their mail waits until somebody asks for it (ETRN, ATRN)
  std::vector<std::string> etrn_from;       // clients that may give ETRN, as in ClientRules; default: everybody
};

// On-demand mail relay (RFC 2645): who logs in as `user` may fetch the mail of `domains`.
struct Odmr {
  std::string user;
  std::vector<std::string> domains;         // names, no patterns
};

struct Limits {
  ByteSize message_size{50u << 20};
  std::uint32_t recipients = 1000;
  std::uint32_t connections = 10000;
  std::uint32_t connections_per_client = 50;
  std::uint32_t messages_per_connection = 1000;
  ByteSize session_size{500u << 20};
  std::uint32_t hops = 100;
  Duration command_timeout{std::chrono::minutes(5)};
  Duration data_timeout{std::chrono::minutes(3)};
  std::uint32_t data_minimum_rate = 50;     // bytes a second over any minute
  std::uint32_t errors = 20;                // a session, then 421
  std::uint32_t command_line = 4096;        // bytes with CRLF
  std::uint32_t chunks = 10000;             // BDAT commands a message
};

enum class TransportKind : std::uint8_t { maildir, mbox, pipe, smtp, lmtp, drop };

enum class Family : std::uint8_t { any, ipv4, ipv6 };

struct ClientTimes {                          // transports.*.timeouts; RFC 5321 §4.5.3.2
  Duration connect{std::chrono::seconds(30)}, greeting{std::chrono::minutes(5)}, hello{std::chrono::minutes(5)},
      mail{std::chrono::minutes(5)}, rcpt{std::chrono::minutes(5)}, data_init{std::chrono::minutes(2)},
      data_block{std::chrono::minutes(3)}, data_end{std::chrono::minutes(10)};
};

enum class ClientTls : std::uint8_t { none, opportunistic, required, verify };

// What a domain wants of TLS, whatever transport leads there.
struct TlsPolicy {
  std::vector<std::string> domains;          // patterns
  ClientTls tls = ClientTls::verify;
  std::vector<std::string> names;            // that a host's certificate may have instead of the host's own; ".example.org": any below
};

struct Transport {
  std::string name;
  TransportKind kind = TransportKind::maildir;
  std::string path;                          // maildir, mbox: a path template
  std::string directory;                     // drop: a path template
  ByteSize quota{0};                         // drop: bytes in the directory; 0: any
  std::uint32_t quota_files = 0;             // drop: files in it; 0: any
  std::string owner;                         // drop: "user" or "user:group" of the files; "": the service user
  std::string mode = "0640";                 // drop: of the files, octal
  std::vector<std::string> command;          // pipe: words, each a template; no shell
  std::vector<std::string> hosts;            // smtp, lmtp: as parse_next_hop takes them; none: the domain's MX hosts
  std::uint16_t port = 25;                   // of hosts without one, MX hosts too
  Duration timeout{std::chrono::minutes(10)};   // pipe: how long the command may run
  // smtp, lmtp from here
  ClientTls tls = ClientTls::opportunistic;
  TlsRules tls_rules;
  std::string tls_authorities;               // PEM, to verify hosts with; "": the system's
  CertificateFiles tls_certificate;          // ours, for hosts that ask for one; "": none
  bool tls_implicit = false;                 // TLS from the first byte (port 465)
  std::string credentials;                   // file, as config/credentials.hpp reads it; "": don't log in
  std::vector<std::string> auth_mechanisms;  // upper case; empty: the best that both know
  bool auth_unverified = false;              // log in also where the host's certificate was not verified
  bool hosts_random = false;                 // hosts_order = "random"
  std::vector<std::string> fallback;         // hosts to try when none of the domain's (or of `hosts`) can be reached
  std::string source_address, source_address6;   // IPv4 and IPv6, numeric; "": the system's choice
  std::string helo_name;                     // "": host_name; a literal stands in brackets
  bool plain_helo = false;                   // hello = "helo": HELO at once, no extensions
  bool direct_first = false;                 // the domain's MX hosts first, then `hosts`
  Family family = Family::any;
  std::uint32_t connections = 20;            // at once to one site, at most; it begins with one and adapts
  std::uint32_t messages_per_connection = 100;
  Duration connection_idle{std::chrono::seconds(2)}, connection_lifetime{std::chrono::minutes(5)};
  std::uint32_t recipients_per_message = 100;
  ClientTimes timeouts;
  // Of one that a group of domain_settings made: which group, and a word for it. Lanes, connections and whatever else is kept of
  // a transport is kept by key(), and not by its name, which they share.
  std::string variant;
  std::size_t group = 0;

  std::string key() const { return variant.empty() ? name : name + "(" + variant + ")"; }
  bool by_mx() const noexcept { return hosts.empty() || direct_first; }      // where mail goes depends on the recipient's domain
};

struct RetryStep {                           // "15m for 2h, x1.5 up to 16h, 6h until 4d"
  Duration interval{};                       // fixed steps: the interval; growing steps: the largest interval
  double factor = 1;                         // > 1: each interval is the last one times this
  Duration until{};                          // the step holds until the message is this old
};

// What is said for some domains, whatever transport of kind smtp or lmtp leads there: each of these overrides the transport's
// (config/domain_settings.hpp). The first group that matches counts.
struct DomainSettings {
  std::vector<std::string> domains;          // patterns
  std::optional<bool> relay;                 // as if they stood in domains.relay_to, or did not
  std::optional<std::vector<std::string>> hosts, fallback;
  std::optional<bool> direct_first, plain_helo, tls_implicit;
  std::optional<std::uint16_t> port;
  std::optional<ClientTls> tls;
  std::optional<std::string> credentials, helo_name, source_address, source_address6;
  std::optional<std::uint32_t> connections, messages_per_connection, recipients_per_message;
  std::optional<Duration> timeout;           // one for all of transports.*.timeouts
  std::vector<RetryStep> retry;              // empty: see Route::retry
  std::optional<Duration> delay_warning;
  std::vector<Transport> variants;           // in a snapshot: each transport of kind smtp or lmtp, as it is for these domains

  const Transport* transport(std::string_view name) const noexcept;      // null: as everybody's
};

enum class LdapTls : std::uint8_t { none, starttls };
enum class LdapScope : std::uint8_t { base, one, sub };

// A directory, and what is asked of it: the look-up "ldap:NAME" (lib/ldap).
struct Ldap {
  std::string name;
  std::vector<std::string> servers;          // "ldap://host:389", "ldaps://host", "ldapi:///path"; tried in this order
  LdapTls tls = LdapTls::none;               // starttls: nothing is asked without it; ldaps:// begins with it
  std::string authorities;                   // PEM; "": the system's
  std::string bind_dn, password_file;        // a secret file; "": anonymous
  std::string base, filter;                  // the filter is a template: {address}, {local}, {domain}, escaped by RFC 4515
  LdapScope scope = LdapScope::sub;
  std::string routing_address = "mailRoutingAddress", routing_host = "mailHost";      // attributes; "": not asked for
  std::string members, member_addresses;     // attributes of groups: DNs, addresses; "": none
  Duration timeout{std::chrono::seconds(5)};
  std::uint32_t connections = 2;
  Duration cache{std::chrono::minutes(5)}, cache_unknown{std::chrono::minutes(1)};
};

// A directory that programs put messages into (docs/from-windows-smtp.md).
struct PickupDirectory {
  std::string directory;
  std::vector<std::string> users;            // owners whose files are taken, "@group" for its members; none: every owner
  bool own_sender = false;                   // senders = "own": who is not in trusted_users sends as himself
  Duration settle{std::chrono::seconds(2)};  // a file is whole when nobody has changed it for so long
  std::string setting;                       // "pickup[0]"
};

enum class UsersKind : std::uint8_t { none, system, list, passwd_file, ldap };

struct Users {
  UsersKind kind = UsersKind::none;          // none: any local part (domain's mailboxes by template)
  std::vector<std::string> list;             // lower case local parts
  std::string passwd_file;                   // absolute path
  std::string ldap;                          // name of one in Config::ldap
};

struct Route {
  std::string name;
  std::vector<std::string> domains;          // patterns; "@local" and "@relay_to" already replaced by their lists
  std::vector<std::string> senders;          // patterns of envelope senders: as SenderList takes them; none: all
  Users users;
  std::string transport;                     // name of one in Config::transports
  std::vector<RetryStep> retry;              // empty: as Config::retry has it for the domain
  std::optional<Duration> delay_warning;     // nullopt: Config::delay_warning
};

struct Dns {
  std::vector<std::string> servers;          // "address", "address:port", "[address]:port"; none: /etc/resolv.conf
  Duration timeout{std::chrono::seconds(5)};
  std::uint32_t attempts = 3;
};

struct Bounces {
  std::string copy_to;                       // bounce_copy_to: an address that gets a copy of each bounce, or ""
  std::string templates;                     // directory of the texts, or "" for the built-in ones
  std::string badmail;                       // directory for what can be neither delivered nor returned
};

struct RetryRule {
  std::vector<std::string> domains;
  std::vector<RetryStep> schedule;           // never empty; the last step's `until` is when a message expires
};

enum class LogFormat : std::uint8_t { text, json, both };
enum class SystemCalls : std::uint8_t { enforce, report, off };
enum class BareNewline : std::uint8_t { reject, normalize };

class Places;                                // config/places.hpp

struct Config {
  std::string file;                          // absolute path of the main file
  std::string instance;                      // "" for the machine's mail server; NAME of mansio@NAME.service
  std::string fingerprint;                   // of the files' texts and what the machine adds: the same for the same configuration
  std::shared_ptr<const Places> places;      // where each setting was given; null: it was read from no files
  std::string host_name, mail_name, postmaster;
  std::string run_as;                        // "": stay the calling user
  std::string spool_directory, log_directory, run_directory;
  std::vector<Listener> listeners;
  Tls tls;
  Auth auth;
  Submission submission;
  std::vector<TlsPolicy> tls_policies;       // the first that matches counts
  Domains domains;
  std::vector<std::string> relay_from, relay_deny;   // clients that may send anywhere, as in ClientRules
  bool relay_authenticated = true;           // who has logged in may, too
  ClientRules access;                        // who may connect at all
  bool reverse_dns = false;                  // smtp.reverse_dns: ask for the name of each client
  std::vector<PickupDirectory> pickups;      // pickup
  std::vector<Odmr> odmr;
  std::vector<Ldap> ldap;
  std::vector<std::string> alias_look_ups;   // "ldap:NAME", asked where the aliases have nothing
  std::vector<std::string> control_admins, control_readers;     // users, "@group": besides root and the service user
  Limits limits;
  std::vector<std::string> smart_host;       // hosts of smtp transports that have none
  bool direct_first = false;                 // of those: MX hosts first
  std::vector<Transport> transports;
  std::vector<DomainSettings> domain_settings;
  std::vector<Route> routes;
  std::string aliases;                       // path, or "" for none
  std::string recipient_delimiter = "+";     // "" for none
  std::vector<std::string> trusted_users;    // may set any envelope sender with sendmail -f
  bool extract_addresses_remove_arguments = false;   // sendmail.extract_addresses_remove_arguments
  std::vector<RetryRule> retry;
  Duration delay_warning{std::chrono::hours(24)};
  ByteSize bounce_return_size{64u << 10};
  Bounces bounces;
  Dns dns;
  std::uint32_t outbound_connections = 500;  // limits.outbound_connections: to all sites together
  LogFormat log_format = LogFormat::text;
  bool log_journal = true;                   // copy to journald when run by systemd
  bool log_connections = false;              // a line for each connection that begins and ends
  bool w3c = false;                          // log.w3c: w3clog beside mainlog, in the W3C extended format
  std::vector<std::string> w3c_fields;       // none: those of lib/log/w3c.hpp
  std::string metrics_listen;                // "address:port", "[address]:port", loopback alone, or "unix:/path"; "": nowhere
  BareNewline bare_newline = BareNewline::reject;
  ByteSize spool_segment_size{64u << 20}, spool_reserve{64u << 20};
  Duration shutdown_grace{std::chrono::seconds(30)};
  std::uint32_t deliver_agents = 8;          // deliver.agents: delivery processes at once
  std::uint32_t mail_processes = 1;          // each with an event loop and a spool shard of its own; at most 16
  SystemCalls system_calls = SystemCalls::enforce;       // the seccomp filter of the mail processes

  const Transport* transport(std::string_view name) const noexcept;
  const Ldap* directory(std::string_view name) const noexcept;
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace mansio::config
