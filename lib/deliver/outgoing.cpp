#include "deliver/outgoing.hpp"

#include <algorithm>

#include "base/file.hpp"

namespace mansio::deliver {

event::Task<Status> Outgoing::prepare(const smtp::Capabilities* offered) {
  const mail::Envelope& envelope = message_->envelope;
  smtputf8_ = envelope.smtputf8 && offered->smtputf8;
  bool binary = envelope.body == mail::Body::binary;
  bool takes_binary = offered->binarymime && offered->chunking;
  bool must_look = (binary && !takes_binary) || !offered->eight_bit || (envelope.smtputf8 && !offered->smtputf8);
  if (offered->eight_bit) body_ = envelope.body;
  // A look costs little while the content is in memory; on disk, only for who needs it.
  if (!must_look && (message_->content.memory == nullptr || body_ != mail::Body::unspecified)) co_return Status();
  mail::ContentNeeds needs;
  auto looked = co_await look(&needs);
  if (!looked) co_return Status::from_error(looked.error());
  if (needs.eight_bit_header && envelope.smtputf8 && !offered->smtputf8) {
    co_return Status(554, 6, 9, "the header of the message has internationalised text, and the next host does not take that (SMTPUTF8)");
  }
  bool convert_it = (binary && !takes_binary) || (!offered->eight_bit && (needs.eight_bit_body || needs.eight_bit_header));
  if (convert_it) {
    auto converted = co_await convert();
    co_return converted;
  }
  // RFC 6152 §2 and R-124: 8BITMIME is asked for content that is MIME.
  if (body_ == mail::Body::unspecified && offered->eight_bit && needs.eight_bit_body && needs.mime) body_ = mail::Body::eight_bit;
  co_return Status();
}

// Head and content in pieces; for a thread when it isn't in memory.
Result<> Outgoing::each_piece(const std::function<void(std::string_view)>& use) const {
  use(message_->head);
  if (message_->content.memory) {
    use(*message_->content.memory);
    return {};
  }
  std::string piece;
  for (std::uint64_t at = 0; at < message_->content.length; at += piece.size()) {
    piece.resize(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, message_->content.length - at)));
    auto read = pread_all(message_->content.fd, piece.data(), piece.size(), message_->content.offset + at);
    if (!read) return read;
    use(piece);
  }
  return {};
}

event::Task<Result<>> Outgoing::look(mail::ContentNeeds* needs) {
  auto work = [this, needs]() -> Result<> {
    mail::ContentScanner scanner;
    auto read = each_piece([&](std::string_view piece) { scanner.add(piece); });
    *needs = scanner.needs();
    return read;
  };
  if (message_->content.memory) co_return work();
  auto done = co_await threads_.run(work);
  co_return done;
}

// Reads the content twice: once to see what becomes of its parts, once to know how long it will be. Sending reads it again.
event::Task<Status> Outgoing::convert() {
  mail::ConversionPlan plan;
  std::uint64_t length = 0;
  auto work = [this, &plan, &length]() -> Result<> {
    mail::ConversionScan scan;
    auto read = each_piece([&](std::string_view piece) { scan.add(piece); });
    plan = scan.finish();
    if (!read || plan.refusal) return read;
    mail::SevenBitConverter converter(plan);
    std::string out;
    auto count = [&](std::string_view piece) {
      converter.add(piece, out);
      length += out.size();
      out.clear();
    };
    read = each_piece(count);
    converter.finish(out);
    length += out.size();
    return read;
  };
  auto done = co_await threads_.run(work);
  if (!done) co_return Status::from_error(done.error());
  if (plan.refusal) co_return *plan.refusal;
  body_ = mail::Body::unspecified;
  size_ = length;
  converter_.emplace(std::move(plan));
  co_return Status();
}

event::Task<Result<std::string_view>> Outgoing::next() {
  if (!converter_) {
    auto read = co_await read_raw();
    if (!read) co_return std::unexpected(read.error());
    co_return std::string_view(piece_);
  }
  converted_.clear();
  while (converted_.empty() && !finished_) {
    auto read = co_await read_raw();
    if (!read) co_return std::unexpected(read.error());
    if (piece_.empty()) {
      converter_->finish(converted_);
      finished_ = true;
    } else {
      converter_->add(piece_, converted_);
    }
  }
  co_return std::string_view(converted_);
}

// The next piece of the message as it is in the spool; empty at the end.
event::Task<Result<>> Outgoing::read_raw() {
  const std::string& head = message_->head;
  std::uint64_t end = message_->size();
  piece_.clear();
  if (at_ >= end) co_return Result<>();
  if (message_->content.memory) {
    piece_.reserve(static_cast<std::size_t>(end));
    piece_ = head;
    piece_ += *message_->content.memory;
    at_ = end;
    co_return Result<>();
  }
  if (at_ < head.size()) {
    piece_ = head;
    at_ = head.size();
  }
  auto work = [this] { return read_piece(); };
  auto read = co_await threads_.run(work);
  co_return read;
}

// On a thread: appends what comes next of the content.
Result<> Outgoing::read_piece() {
  std::uint64_t from = at_ - message_->head.size();
  std::size_t have = piece_.size();
  auto more = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, message_->content.length - from));
  piece_.resize(have + more);
  auto read = pread_all(message_->content.fd, piece_.data() + have, more, message_->content.offset + from);
  if (!read) return read;
  at_ += more;
  return {};
}

}  // namespace mansio::deliver
