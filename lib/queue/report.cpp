#include "queue/report.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "mail/header.hpp"

namespace mansio::queue {

bool wants_report(const mail::Envelope& envelope, const mail::Recipient& recipient, ReportKind kind) noexcept {
  if (!envelope.sender) return false;
  if (recipient.notify == 0) return true;
  return (recipient.notify & (kind == ReportKind::failed ? mail::Notify::failure : mail::Notify::delay)) != 0;
}

std::vector<std::size_t> reportable(const spool::Message& message, const std::vector<std::size_t>& recipients, ReportKind kind) {
  std::vector<std::size_t> out;
  std::ranges::copy_if(recipients, std::back_inserter(out), [&](std::size_t i) {
    return wants_report(message.envelope, message.envelope.recipients[i], kind);
  });
  return out;
}

Original read_original(const spool::Message& message, std::uint64_t limit, ReportKind kind) {
  constexpr std::uint64_t header_limit = 64 << 10;
  Original out;
  out.full = kind == ReportKind::failed && message.envelope.ret != mail::Return::headers && message.size() <= limit;
  std::string content(static_cast<std::size_t>(std::min(message.content.length, std::max(limit, header_limit))), '\0');
  if (!pread_all(message.content.fd, content.data(), content.size(), message.content.offset)) {
    content.clear();
    out.full = false;
  }
  out.text = message.head + content;
  if (out.full) return out;
  mail::HeaderReader reader(out.text);
  while (reader.next()) {
  }
  out.text.resize(std::min(out.text.size(), reader.body_offset()));
  return out;
}

Report make_report(const spool::Message& message, const std::vector<std::size_t>& recipients, ReportKind kind,
                   Original original, const config::Config& config, const std::string& message_id, Time now,
                   std::optional<Time> expires) {
  mail::Dsn dsn(config.host_name, *message.envelope.sender);
  dsn.mail_name = config.mail_name;
  dsn.message_id = message_id;
  dsn.queue_id = message.id.text();
  dsn.date = now;
  dsn.arrival = message.envelope.received;
  dsn.envid = message.envelope.envid;
  dsn.original = std::move(original.text);
  dsn.full = original.full;
  for (std::size_t i : recipients) {
    const mail::Recipient& of = message.envelope.recipients[i];
    mail::DsnRecipient recipient(of.address, kind == ReportKind::failed ? mail::DsnAction::failed : mail::DsnAction::delayed,
                                 message.progress.recipients[i].last);
    recipient.orcpt = of.orcpt;
    recipient.last_attempt = now;
    if (kind == ReportKind::delayed) recipient.will_retry_until = expires;
    dsn.recipients.push_back(std::move(recipient));
  }
  Report report;
  report.content = mail::format_dsn(dsn);
  report.envelope.received = now;
  report.envelope.protocol = "local";
  report.envelope.reply_to_id = message.id.text();
  report.envelope.smtputf8 = message.envelope.sender->needs_smtputf8();
  bool ascii = std::ranges::all_of(report.content, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!ascii) report.envelope.body = mail::Body::eight_bit;
  mail::Recipient to(*message.envelope.sender);
  to.notify = mail::Notify::never;      // RFC 3461 §6.1
  report.envelope.recipients.push_back(std::move(to));
  return report;
}

}  // namespace mansio::queue
