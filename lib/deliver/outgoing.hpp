// The content of a message on its way to another host: head and content in pieces, from memory when it is still there,
// else read by a thread; converted when the host can't take it as it is (RFC 6152 §3, RFC 3030 §3, RFC 6531 §3.2).
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "event/threads.hpp"
#include "mail/convert.hpp"
#include "mail/mime.hpp"
#include "smtp/client.hpp"
#include "spool/spool.hpp"

namespace mansio::deliver {

class Outgoing final : public smtp::ContentSource {
 public:
  // Pieces of a content that is read from disk.
  static constexpr std::size_t piece_size = 256 << 10;

  Outgoing(event::Threads& threads, std::shared_ptr<const spool::Message> message)
      : threads_(threads), message_(std::move(message)), size_(message_->size()) {}

  // Looks at what the content needs and what the host offers. Not ok: the message can't go there (5.6.3, 5.6.9), or can't be
  // read now (4xx).
  event::Task<Status> prepare(const smtp::Capabilities* offered);

  // After prepare():
  mail::Body body() const noexcept { return body_; }
  bool smtputf8() const noexcept { return smtputf8_; }
  std::uint64_t size() const noexcept { return size_; }

  event::Task<Result<std::string_view>> next() override;

 private:
  event::Task<Result<>> look(mail::ContentNeeds* needs);
  event::Task<Status> convert();
  event::Task<Result<>> read_raw();
  Result<> read_piece();
  Result<> each_piece(const std::function<void(std::string_view)>& use) const;

  event::Threads& threads_;
  std::shared_ptr<const spool::Message> message_;
  std::string piece_, converted_;
  std::uint64_t at_ = 0;          // of head and content together
  std::uint64_t size_;
  std::optional<mail::SevenBitConverter> converter_;
  mail::Body body_ = mail::Body::unspecified;
  bool smtputf8_ = false, finished_ = false;
};

}  // namespace mansio::deliver
