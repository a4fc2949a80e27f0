#include "queue/report.hpp"

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"

namespace mansio::queue {
namespace {

bool reports_success(mail::DsnAction action) noexcept {
  return action != mail::DsnAction::failed && action != mail::DsnAction::delayed;
}

mail::DsnRecipient dsn_recipient(const spool::Message& message, const Reported& reported, Time now) {
  const mail::Recipient& of = message.envelope.recipients[reported.recipient];
  mail::DsnRecipient out(of.address, reported.action, reported.status);
  out.orcpt = of.orcpt;
  out.remote_host = reported.host;
  out.last_attempt = now;
  if (reported.action == mail::DsnAction::delayed) out.will_retry_until = reported.expires;
  return out;
}

mail::Envelope report_envelope(const spool::Message& message, const config::Config& config, bool failure, Time now) {
  mail::Envelope out;
  out.received = now;
  out.protocol = "local";
  out.reply_to_id = message.id.text();
  out.recipients.emplace_back(*message.envelope.sender);
  if (failure && !config.bounces.copy_to.empty()) {
    auto copy_to = mail::Address::parse(config.bounces.copy_to);
    if (copy_to && copy_to->key() != message.envelope.sender->key()) out.recipients.emplace_back(std::move(*copy_to));
  }
  for (auto& recipient : out.recipients) {
    recipient.notify = mail::Notify::never;      // RFC 3461 §6.1
    out.smtputf8 = out.smtputf8 || recipient.address.needs_smtputf8();
  }
  return out;
}

}  // namespace

bool wants_report(const mail::Envelope& envelope, const mail::Recipient& recipient, mail::DsnAction action) noexcept {
  if (!envelope.sender) return false;
  if (reports_success(action)) return (recipient.notify & mail::Notify::success) != 0;
  if (recipient.notify == 0) return true;
  return (recipient.notify & (action == mail::DsnAction::failed ? mail::Notify::failure : mail::Notify::delay)) != 0;
}

std::vector<Reported> reportable(const spool::Message& message, std::vector<Reported> all) {
  std::erase_if(all, [&](const Reported& one) {
    return !wants_report(message.envelope, message.envelope.recipients[one.recipient], one.action);
  });
  return all;
}

Original read_original(const spool::Message& message, std::uint64_t limit, mail::DsnAction action) {
  constexpr std::uint64_t header_limit = 64 << 10;
  Original out;
  out.full = action == mail::DsnAction::failed && message.envelope.ret != mail::Return::headers && message.size() <= limit;
  std::uint64_t wanted = out.full ? message.content.length : std::min(message.content.length, header_limit);
  std::string content(static_cast<std::size_t>(wanted), '\0');
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

LoadedTemplates load_templates(const std::string& directory) {
  LoadedTemplates out{mail::default_templates(), {}};
  if (directory.empty()) return out;
  std::size_t missing = 0;
  for (std::size_t i = 0; i < mail::template_kinds; ++i) {
    std::string path = directory + "/" + std::string(mail::template_file(static_cast<mail::TemplateKind>(i)));
    auto text = read_file(path, mail::template_size_limit);
    if (!text && text.error().sys() == ENOENT) {
      ++missing;
      continue;
    }
    if (!text) {
      out.problems.push_back(path + ": " + text.error().text() + "; the built-in text is used");
      continue;
    }
    auto parsed = mail::parse_template(*text, path);
    if (parsed) out.templates[i] = std::move(*parsed);
    else out.problems.push_back(parsed.error().text() + "; the built-in text is used");
  }
  if (missing == mail::template_kinds) {
    out.problems.push_back(directory + " holds none of failed.txt, delayed.txt, success.txt; the built-in texts are used");
  }
  return out;
}

Report make_report(const spool::Message& message, const std::vector<Reported>& recipients, Original original,
                   const config::Config& config, const std::string& message_id, Time now,
                   const mail::ReportTemplates& templates) {
  mail::Dsn dsn(config.host_name, *message.envelope.sender);
  dsn.mail_name = config.mail_name;
  dsn.postmaster = "postmaster@" + (config.mail_name.empty() ? config.host_name : config.mail_name);
  dsn.message_id = message_id;
  dsn.queue_id = message.id.text();
  dsn.date = now;
  dsn.arrival = message.envelope.received;
  dsn.envid = message.envelope.envid;
  dsn.original = std::move(original.text);
  dsn.full = original.full;
  // Who sent with SMTPUTF8 can read it (RFC 6533 §4).
  dsn.utf8 = message.envelope.smtputf8 || message.envelope.sender->needs_smtputf8();
  bool failure = false;
  for (const Reported& reported : recipients) {
    failure = failure || reported.action == mail::DsnAction::failed;
    dsn.recipients.push_back(dsn_recipient(message, reported, now));
  }
  Report report;
  report.content = mail::format_dsn(dsn, templates);
  report.envelope = report_envelope(message, config, failure, now);
  if (!is_ascii(report.content)) report.envelope.body = mail::Body::eight_bit;
  return report;
}

}  // namespace mansio::queue
