// Reports to senders (RFC 3461 §6): which recipients deserve one, and the message that carries it. Pure but for the
// reading of the original's header, which the caller does on a thread.
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
};

enum class ReportKind : std::uint8_t { failed, delayed };

// Does the sender want to hear this about this recipient? Never for the null sender (RFC 5321 §6.1), nor with
// NOTIFY=NEVER; without NOTIFY failures and delays are told (RFC 3461 §4.1).
bool wants_report(const mail::Envelope& envelope, const mail::Recipient& recipient, ReportKind kind) noexcept;

// Indexes of `recipients` (into the envelope) that deserve a report.
std::vector<std::size_t> reportable(const spool::Message& message, const std::vector<std::size_t>& recipients, ReportKind kind);

// At most bounce_return_size of the original's content, or its header alone when it is longer or RET=HDRS. Blocks: for a
// thread. A read error gives what was read: a bounce without the original is better than none.
struct Original {
  std::string text;
  bool full = false;
};
Original read_original(const spool::Message& message, std::uint64_t limit, ReportKind kind);

struct Report {
  mail::Envelope envelope;       // from <> to the original's sender
  std::string content;
};

// One report about all of `recipients` (not empty; the sender is not null), whose last Status says what happened.
Report make_report(const spool::Message& message, const std::vector<std::size_t>& recipients, ReportKind kind,
                   Original original, const config::Config& config, const std::string& message_id, Time now,
                   std::optional<Time> expires);

}  // namespace mansio::queue
