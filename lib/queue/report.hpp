// Reports to senders (RFC 3461 §6): which recipients deserve one, and the message that carries it. Pure but for the
// reading of the original and of an admin's templates, which the caller does on a thread. Failures, delays and successes
// are reports of their own.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "mail/dsn.hpp"
#include "spool/spool.hpp"

namespace mansio::queue {

// What a report says about one recipient.
struct Reported {
  Reported(std::size_t i, mail::DsnAction a, Status s) : recipient(i), action(a), status(std::move(s)) {}
  std::size_t recipient;           // index into the envelope's recipients
  mail::DsnAction action;
  Status status;
  std::string host;                // who said it: "mx.example [192.0.2.1]:25"; "": ourselves
  std::optional<Time> expires;     // of a delayed one: until when it is tried
};

// Does the sender want to hear this about this recipient? Never for the null sender (RFC 5321 §6.1), nor with
// NOTIFY=NEVER; without NOTIFY failures and delays are told, but success only to who asked (RFC 3461 §4.1, §5.2). That
// `relayed` is only for a next hop without DSN is the caller's knowledge (§5.2.2).
bool wants_report(const mail::Envelope& envelope, const mail::Recipient& recipient, mail::DsnAction action) noexcept;

// Those of `all` that deserve a report (RFC 3461 §5.2.8).
std::vector<Reported> reportable(const spool::Message& message, std::vector<Reported> all);

// At most `limit` octets of the original's content, or its header alone when it is longer, RET=HDRS, or `action` is not
// `failed` (RFC 3461 §6.2). Blocks: for a thread. After a read error it is our own fields alone: a bounce without the
// original is better than none.
struct Original {
  std::string text;
  bool full = false;
};
Original read_original(const spool::Message& message, std::uint64_t limit, mail::DsnAction action);

// The texts in `directory` (bounce_templates; "": the built-in ones), each with the built-in one in place of a file that
// is not there or has a mistake. Blocks: for a thread.
struct LoadedTemplates {
  mail::ReportTemplates templates;
  std::vector<std::string> problems;   // for the log: file, line and what is wrong
};
LoadedTemplates load_templates(const std::string& directory);

struct Report {
  mail::Envelope envelope;       // from <> to the original's sender; a bounce goes to bounces.copy_to as well
  std::string content;
};

// One report about all of `recipients` (not empty, of one kind; the sender is not null).
Report make_report(const spool::Message& message, const std::vector<Reported>& recipients, Original original,
                   const config::Config& config, const std::string& message_id, Time now,
                   const mail::ReportTemplates& templates = mail::default_templates());

}  // namespace mansio::queue
