// The wire under a client session: bytes out, replies in, in step. Errors, besides the stream's:
//   Fault::invalid    the server broke the protocol: what it said is no reply, or it spoke unasked
// After any error the channel is of no use, and its owner drops it.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "event/task.hpp"
#include "net/connection.hpp"
#include "sasl/binding.hpp"
#include "smtp/conversation.hpp"
#include "smtp/server_reply.hpp"

namespace mansio::smtp {

class ClientChannel {
 public:
  // `conversation` is kept up to date and outlives the channel; null: nobody wants to know.
  explicit ClientChannel(net::Connection connection, Conversation* conversation = nullptr)
      : connection_(std::move(connection)), conversation_(conversation) {}

  // `limit` is for the whole reply. `keep`: octets of text.
  event::Task<Result<ServerReply>> reply(Duration limit, std::size_t keep = ReplyParser::text_limit);
  // All of `bytes`, which live until it is done. Refuses when the server has said something nobody asked for: then
  // replies can't be counted any more (RFC 2920 §3.1).
  event::Task<Result<>> write(std::string_view bytes, Duration limit);
  // One command, with its CRLF, and its reply. A server that closed before it read the command may have said why.
  event::Task<Result<ServerReply>> ask(std::string command, Duration limit, std::size_t keep = ReplyParser::text_limit);

  event::Task<Result<>> start_tls(std::shared_ptr<const net::TlsClient> client, net::TlsRequest request, Duration limit);

  bool open() const noexcept { return connection_.has_value(); }
  bool has_input() const noexcept { return connection_ && connection_->has_input(); }
  // Has the server said more than was asked of it? Looks at the socket, too.
  bool input_waiting() const noexcept { return connection_ && connection_->input_waiting(); }
  bool stale() const noexcept { return !connection_ || !connection_->quiet(); }
  const net::TlsInfo* tls() const noexcept { return connection_ ? connection_->tls() : nullptr; }
  sasl::ChannelBindings bindings() const;
  // What is not said by ask(): told by whoever writes it.
  void hear(Heard what, std::string_view text) {
    if (conversation_ != nullptr) conversation_->hear(what, text);
  }
  Conversation* conversation() const noexcept { return conversation_; }
  void drop() noexcept { connection_.reset(); }         // closes at once, without a word
  void interrupt() {
    if (connection_) connection_->interrupt();
  }

 private:
  std::optional<net::Connection> connection_;
  Conversation* conversation_;
};

}  // namespace mansio::smtp
