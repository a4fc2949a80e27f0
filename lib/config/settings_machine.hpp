// Rows of the settings table: names of the machine, and how the daemon runs on it; included by settings_table.hpp alone.
#pragma once
#include "config/settings_units.hpp"

namespace mansio::config::rows {

inline constexpr auto naming_rows = std::to_array<Setting>({
  {.path = "version", .type = Type::integer, .least = 1, .most = 1, .required = true,
   .doc = "The version of this file's format. It must be given, and it must be 1.",
   .store = [](C&, const V&) {}},
  {.path = "host_name", .note = "the machine's fully qualified name",
   .doc = "The name of this machine, used in the greeting, in HELO and in Received lines.",
   .store = [](C& c, const V& v) { c.host_name = v.text; }},
  {.path = "mail_name", .note = "the first line of /etc/mailname, else host_name",
   .doc = "The domain that is added to local addresses that have none.",
   .store = [](C& c, const V& v) { c.mail_name = v.text; }},
  {.path = "postmaster", .note = "root@ and mail_name",
   .doc = "Where mail to postmaster goes when no alias and no user has that name. Mail to postmaster is always accepted.",
   .store = [](C& c, const V& v) { c.postmaster = v.text; }},
  {.path = "run_as", .fallback = "\"mansio\"",
   .doc = "The user that everything but local delivery runs as when mansiod is started by root. "
          "Empty: everything stays with the user that started it.",
   .store = [](C& c, const V& v) { c.run_as = v.text; }},
  {.path = "spool_directory", .type = Type::path, .fallback = "\"/var/spool/mansio\"",
   .doc = "Where messages wait until they are delivered.",
   .store = [](C& c, const V& v) { c.spool_directory = v.text; }},
  {.path = "log_directory", .type = Type::path, .fallback = "\"/var/log/mansio\"",
   .doc = "Where mainlog, rejectlog and paniclog are written.",
   .store = [](C& c, const V& v) { c.log_directory = v.text; }},
  {.path = "run_directory", .type = Type::path, .fallback = "\"/run/mansio\"",
   .doc = "Where the sockets of local programs and the pid file are.",
   .store = [](C& c, const V& v) { c.run_directory = v.text; }},
});

inline constexpr auto process_rows = std::to_array<Setting>({
  {.path = "log.format", .type = Type::word, .fallback = "\"text\"", .words = "text json both",
   .doc = "What is written to log_directory: lines for people, JSON, or both.",
   .store = [](C& c, const V& v) { c.log_format = static_cast<LogFormat>(v.number); }},
  {.path = "log.journal", .type = Type::boolean, .fallback = "true",
   .doc = "Whether the log is copied to the journal when systemd runs mansiod.",
   .store = [](C& c, const V& v) { c.log_journal = v.flag(); }},
  {.path = "metrics.listen", .note = "nowhere",
   .doc = "Where metrics for Prometheus are given: a loopback address and a port, such as \"127.0.0.1:9125\", or \"unix:\" and a path. "
          "Anybody who can reach it may read them. The program that collects them asks for /metrics.",
   .store = [](C& c, const V& v) { c.metrics_listen = v.text; }},
  {.path = "spool.segment_size", .type = Type::size, .fallback = "\"64M\"", .least = mib, .most = 4 * gib,
   .doc = "The size of one file of the spool's journal.",
   .store = [](C& c, const V& v) { c.spool_segment_size = v.size(); }},
  {.path = "spool.reserve", .type = Type::size, .fallback = "\"64M\"", .least = 0, .most = 1024 * gib,
   .doc = "Free space that must be left on the spool's disk for new mail to be accepted.",
   .store = [](C& c, const V& v) { c.spool_reserve = v.size(); }},
  {.path = "deliver.agents", .type = Type::integer, .fallback = "8", .least = 1, .most = 256,
   .doc = "Processes that write to mailboxes side by side.",
   .store = [](C& c, const V& v) { c.deliver_agents = v.count(); }},
  {.path = "shutdown_grace", .type = Type::duration, .fallback = "\"30s\"", .least = 0, .most = hour,
   .doc = "How long messages that are just arriving may take to finish when mansiod is stopped.",
   .store = [](C& c, const V& v) { c.shutdown_grace = v.duration(); }},
  {.path = "dns.servers", .type = Type::names, .note = "those of /etc/resolv.conf",
   .doc = "The name servers to ask, in this order: addresses, with a port when it is not 53, such as \"127.0.0.1:5353\" and \"[::1]:5353\".",
   .store = [](C& c, const V& v) { c.dns.servers = v.names; }},
  {.path = "dns.timeout", .type = Type::duration, .fallback = "\"5s\"", .least = 100, .most = minute,
   .doc = "How long to wait for an answer before the next server is asked.",
   .store = [](C& c, const V& v) { c.dns.timeout = v.duration(); }},
  {.path = "dns.attempts", .type = Type::integer, .fallback = "3", .least = 1, .most = 10,
   .doc = "How often to ask all of them in turn.",
   .store = [](C& c, const V& v) { c.dns.attempts = v.count(); }},
});

}  // namespace mansio::config::rows
