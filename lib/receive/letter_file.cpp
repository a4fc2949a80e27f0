#include "receive/letter_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "mail/header.hpp"
#include "mail/received.hpp"
#include "mail/submission.hpp"
#include "receive/local_sender.hpp"

namespace mansio::receive {
namespace {

constexpr std::size_t letter_piece = 64 << 10;

mail::SubmissionFacts letter_facts(const config::Config& config, const mail::Envelope& envelope, const spool::QueueId& id, const LetterSender& sender) {
  auto mail_name = mail::Domain::parse(config.mail_name);
  mail::SubmissionFacts facts(*mail_name);        // the configuration was checked
  facts.sender = envelope.sender;
  facts.login = sender.own;
  facts.add_sender = sender.own.has_value();
  facts.message_id = fmt::format("{}@{}", id.text(), config.host_name);
  facts.now = envelope.received;
  facts.masquerade = config.submission.masquerade;
  facts.smtputf8 = envelope.smtputf8;
  return facts;
}

bool wants_smtputf8(const mail::Letter& letter) {
  return (letter.sender && letter.sender->needs_smtputf8()) ||
         std::ranges::any_of(letter.recipients, [](const mail::Address& address) { return address.needs_smtputf8(); });
}

mail::Envelope letter_envelope(const config::Config& config, const mail::Letter& letter, const LetterSender& who) {
  mail::Envelope envelope;
  envelope.sender = letter.names_sender ? letter.sender : address_of_user(who.user, config.mail_name);
  // The null sender is anybody's, as with sendmail -f.
  if (who.own && envelope.sender) envelope.sender = who.own;
  if (envelope.sender) {
    if (auto shorter = mail::masqueraded(*envelope.sender, config.submission.masquerade)) envelope.sender = std::move(shorter);
  }
  for (const mail::Address& address : letter.recipients) envelope.recipients.emplace_back(address);
  envelope.received = std::chrono::system_clock::now();
  envelope.smtputf8 = wants_smtputf8(letter);
  envelope.user = who.user;
  envelope.protocol = who.protocol;
  return envelope;
}

}  // namespace

Result<> LetterFile::unchanged() const {
  struct stat now {};
  if (::fstat(fd_.get(), &now) != 0) return fail_errno("fstat");
  bool same = now.st_size == status_.st_size && now.st_mtim.tv_sec == status_.st_mtim.tv_sec && now.st_mtim.tv_nsec == status_.st_mtim.tv_nsec;
  if (same) return {};
  return fail(Fault::busy, "it changed while it was read");
}

Result<> LetterFile::read_more() {
  std::size_t before = text_.size();
  if (read_ < size()) {
    std::string raw(static_cast<std::size_t>(std::min<std::uint64_t>(letter_piece, size() - read_)), '\0');
    auto read = pread_all(fd_.get(), raw.data(), raw.size(), read_);
    if (!read && read.error().fault() == Fault::invalid) return fail(Fault::busy, "it became shorter while it was read");
    if (!read) return read;
    read_ += raw.size();
    auto fed = lines_.feed(raw, text_);
    if (!fed) return fail(Fault::invalid, "it holds a NUL character: is it text in UTF-16, or no text at all?");
  }
  if (read_ == size() && !ended_) {
    ended_ = true;
    lines_.finish(text_);
  }
  eight_bit_ |= !is_ascii(std::string_view(text_).substr(before));
  return {};
}

Result<> LetterFile::read_header(const mail::Domain& qualify, std::size_t most_recipients) {
  if (size() == 0) return fail(Fault::invalid, "it is empty");
  mail::HeaderScanner scanner(0);
  while (!scanner.done() && !ended_) {
    std::size_t before = text_.size();
    auto more = read_more();
    if (!more) return more;
    // What stands before the header is no field: the scanner would take it for the body.
    if (before == 0 && mail::mbox_line_length(text_) > 0) before = mail::mbox_line_length(text_);
    else if (before == 0 && text_.starts_with("\xef\xbb\xbf")) before = 3;
    scanner.feed(std::string_view(text_).substr(before));
    if (text_.size() > header_limit && !scanner.done()) return fail(Fault::invalid, "its header is longer than 4 MiB");
  }
  auto letter = mail::parse_letter(text_, qualify, most_recipients);
  if (!letter) return std::unexpected(letter.error());
  letter_ = std::move(*letter);
  text_.erase(0, letter_.header_size);
  return {};
}

Result<std::string> LetterFile::next() {
  if (text_.empty() && !ended_) {
    auto more = read_more();
    if (!more) return std::unexpected(more.error());
    // A piece of nothing but the beginning of a line end.
    if (text_.empty() && !ended_) return next();
  }
  if (text_.empty()) {
    auto same = unchanged();
    if (!same) return std::unexpected(same.error());
  }
  return std::exchange(text_, std::string());
}

event::Task<Result<std::shared_ptr<spool::Message>>> store_letter(Receiver* receiver, event::Threads* threads, LetterFile* file, spool::Writer* writer,
                                                                  LetterSender sender) {
  auto config = receiver->config();
  const mail::Letter& letter = file->letter();
  mail::Envelope envelope = letter_envelope(*config, letter, sender);
  mail::SubmissionFacts facts = letter_facts(*config, envelope, writer->id(), sender);
  auto rewritten = mail::rewrite_submission(letter.header, facts);
  // Of this machine's programs a header that can't be put in order goes as it is.
  std::string piece = rewritten ? std::move(rewritten->text) : letter.header;
  mail::HeaderScanner header;
  header.feed(piece);
  header.finish();
  if (header.received_count() > config->limits.hops) co_return fail(Fault::invalid, "too many Received fields: it goes round in circles");    // RFC 5321 §6.3
  auto read = [&] { return file->next(); };
  while (!piece.empty()) {
    auto appended = co_await writer->append(piece);
    if (!appended) co_return std::unexpected(appended.error());
    Result<std::string> more = std::string();
    if (file->all_in_memory()) more = file->next();
    else more = co_await threads->run(read);
    if (!more) co_return std::unexpected(more.error());
    piece = std::move(*more);
  }
  envelope.body = file->eight_bit() ? mail::Body::eight_bit : mail::Body::unspecified;
  envelope.delivered_to = header.delivered_to();
  if (envelope.delivered_to.size() > config->limits.hops) envelope.delivered_to.resize(config->limits.hops);
  std::string head = mail::format_received(envelope, config->host_name, writer->id().text(), sender.uid);
  if (!rewritten && sender.own) head += sender_field(letter.header, *sender.own);
  auto stored = co_await writer->commit(std::move(envelope), std::move(head));
  co_return stored;
}

void log_letter(log::Logger& log, const spool::Message& message) {
  log::Arrival event;
  event.id = message.id.text();
  event.sender = message.envelope.sender_text();
  event.user = message.envelope.user;
  event.protocol = message.envelope.protocol;
  event.size = message.size();
  for (const auto& recipient : message.envelope.recipients) event.recipients.push_back(recipient.address.text());
  log.write(std::move(event));
}

}  // namespace mansio::receive
