#include "deliver/outgoing.hpp"

#include "base/file.hpp"

namespace mansio::deliver {

event::Task<Status> Outgoing::prepare(const smtp::Capabilities* capabilities) {
  body_ = message_->envelope.body;
  if (!capabilities->eight_bit) body_ = mail::Body::unspecified;
  smtputf8_ = message_->envelope.smtputf8 && capabilities->smtputf8;
  co_return Status();
}

event::Task<Result<std::string_view>> Outgoing::next() {
  const std::string& head = message_->head;
  std::uint64_t end = message_->size();
  piece_.clear();
  if (at_ >= end) co_return std::string_view();
  if (message_->content.memory) {
    piece_.reserve(static_cast<std::size_t>(end));
    piece_ = head;
    piece_ += *message_->content.memory;
    at_ = end;
    co_return std::string_view(piece_);
  }
  if (at_ < head.size()) {
    piece_ = head.substr(static_cast<std::size_t>(at_));
    at_ = head.size();
  }
  auto work = [this] { return read_piece(); };
  auto read = co_await threads_.run(work);
  if (!read) co_return std::unexpected(read.error());
  co_return std::string_view(piece_);
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
