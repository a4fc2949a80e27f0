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

enum class Role : std::uint8_t { relay, submission, lmtp };
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
};

enum class Senders : std::uint8_t { any, own, table };

struct Submission {
  bool hide_client = true;                  // no address, name and port of the client in Received
  std::vector<std::string> masquerade;      // domains; the sender and addresses in the header that are below them are written as if in them
  Senders senders = Senders::any;           // which senders a login may use, in the envelope and in From
  std::string senders_file;                 // of Senders::table
  std::uint32_t messages_per_hour = 0, recipients_per_hour = 0;     // of one login; 0: any number
};

struct Listener {
  std::string address = "*";        // "*", IPv4, IPv6 literal, or "unix:/path"
  std::uint16_t port = 25;          // 0: a free one
  Role role = Role::relay;
  ListenerTls tls = ListenerTls::none;      // default: starttls when there is a certificate; implicit for submission on port 465
  std::optional<bool> auth;         // always there in a snapshot; default: true for submission when auth.users is given
  TlsRules tls_rules;               // in a snapshot, what was not given is as in Config::tls
  bool ask_certificate = false;     // of clients
  std::string setting;              // "listeners[0]", for error texts
};

struct DomainAlias {
  std::string from, to;             // domains, lower case A-labels
};

struct Domains {
  std::vector<std::string> local;       // patterns: "example.org", "*.example.org", look-ups "file:/path"
  std::vector<std::string> relay_to;
  std::vector<DomainAlias> alias;
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
  std::string directory;                     // drop
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
  Family family = Family::any;
  std::uint32_t connections = 20;            // at once to one site, at most; it begins with one and adapts
  std::uint32_t messages_per_connection = 100;
  Duration connection_idle{std::chrono::seconds(2)}, connection_lifetime{std::chrono::minutes(5)};
  std::uint32_t recipients_per_message = 100;
  ClientTimes timeouts;
};

enum class UsersKind : std::uint8_t { none, system, list, passwd_file };

struct Users {
  UsersKind kind = UsersKind::none;          // none: any local part (domain's mailboxes by template)
  std::vector<std::string> list;             // lower case local parts
  std::string passwd_file;                   // absolute path
};

struct Route {
  std::string name;
  std::vector<std::string> domains;          // patterns; "@local" and "@relay_to" already replaced by their lists
  std::vector<std::string> senders;          // patterns of envelope senders: as SenderList takes them; none: all
  Users users;
  std::string transport;                     // name of one in Config::transports
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

struct RetryStep {                           // "15m for 2h, x1.5 up to 16h, 6h until 4d"
  Duration interval{};                       // fixed steps: the interval; growing steps: the largest interval
  double factor = 1;                         // > 1: each interval is the last one times this
  Duration until{};                          // the step holds until the message is this old
};

struct RetryRule {
  std::vector<std::string> domains;
  std::vector<RetryStep> schedule;           // never empty; the last step's `until` is when a message expires
};

enum class LogFormat : std::uint8_t { text, json, both };
enum class BareNewline : std::uint8_t { reject, normalize };

class Places;                                // config/places.hpp

struct Config {
  std::string file;                          // absolute path of the main file
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
  std::vector<std::string> relay_from;       // CIDR or look-ups
  Limits limits;
  std::vector<Transport> transports;
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
  std::string metrics_listen;                // "address:port", "[address]:port", loopback alone, or "unix:/path"; "": nowhere
  BareNewline bare_newline = BareNewline::reject;
  ByteSize spool_segment_size{64u << 20}, spool_reserve{64u << 20};
  Duration shutdown_grace{std::chrono::seconds(30)};
  std::uint32_t deliver_agents = 8;          // deliver.agents: delivery processes at once

  const Transport* transport(std::string_view name) const noexcept;
};

using ConfigPtr = std::shared_ptr<const Config>;

}  // namespace mansio::config
