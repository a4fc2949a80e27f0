#include "smtp/client_channel.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace mansio::smtp {
namespace {

// As it came, but for what the parser cut off or made harmless.
void hear_reply(Conversation& conversation, const ServerReply& reply) {
  conversation.stir();
  if (conversation.followed == nullptr) return;
  auto lines = split(reply.text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    conversation.hear(Heard::server, fmt::format("{}{}{}", reply.code, i + 1 < lines.size() ? '-' : ' ', lines[i]));
  }
}

}  // namespace

event::Task<Result<ServerReply>> ClientChannel::reply(Duration limit, std::size_t keep) {
  if (!connection_) co_return fail(Fault::closed, "not connected");
  auto deadline = event::Deadline::in(limit);
  ReplyParser parser(keep);
  while (!parser.done()) {
    auto chunk = co_await connection_->read_chunk(deadline);
    if (!chunk) co_return std::unexpected(chunk.error());
    std::size_t used = parser.feed(*chunk);
    connection_->unread(chunk->substr(used));
    if (parser.malformed()) co_return fail(Fault::invalid, "the server said what is no SMTP reply");
  }
  ServerReply taken = parser.take();
  if (conversation_ != nullptr) hear_reply(*conversation_, taken);
  co_return taken;
}

event::Task<Result<>> ClientChannel::write(std::string_view bytes, Duration limit) {
  if (!connection_) co_return fail(Fault::closed, "not connected");
  if (connection_->interrupted()) co_return fail(Fault::cancelled, "stopped");
  if (connection_->has_input()) co_return fail(Fault::invalid, "the server spoke unasked");
  auto written = co_await connection_->write(bytes, event::Deadline::in(limit));
  co_return written;
}

event::Task<Result<ServerReply>> ClientChannel::ask(std::string command, Duration limit, std::size_t keep) {
  hear(Heard::client, command);
  auto written = co_await write(command, limit);
  if (!written && written.error().fault() != Fault::closed) co_return std::unexpected(written.error());
  auto answer = co_await reply(limit, keep);
  co_return answer;
}

event::Task<Result<>> ClientChannel::start_tls(std::shared_ptr<const net::TlsClient> client, net::TlsRequest request, Duration limit) {
  if (!connection_) co_return fail(Fault::closed, "not connected");
  auto secured = co_await connection_->start_tls(std::move(client), std::move(request), event::Deadline::in(limit));
  if (!secured) hear(Heard::note, secured.error().text());
  else if (conversation_ != nullptr && connection_->tls() != nullptr) conversation_->hear_tls(*connection_->tls());
  co_return secured;
}

sasl::ChannelBindings ClientChannel::bindings() const {
  sasl::ChannelBindings out;
  if (!connection_ || connection_->tls() == nullptr) return out;
  out.exporter = connection_->tls_exporter();
  out.server_end_point = connection_->tls_server_end_point();
  return out;
}

}  // namespace mansio::smtp
