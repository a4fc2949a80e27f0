// The message itself: DATA with its dots (RFC 5321 §4.1.1.4, §4.5.2), or one last chunk of BDAT (RFC 3030). Whatever goes wrong
// before all of the content was seen, the end is never sent: the connection drops, and the server forgets the message (D-059).
#include <fmt/format.h>

#include <algorithm>

#include "smtp/client_transaction.hpp"

namespace mansio::smtp {
namespace {

constexpr std::size_t block_limit = 64 << 10;    // octets written with one time-out (RFC 5321 §4.5.3.2.5)

}  // namespace

// BDAT waits for the answers to RCPT. RFC 3030 §4.2 would let it go in the same group, because a server throws the octets of a
// refused chunk away (§2). One that doesn't would take the text of a message for commands, so we don't; it costs no system call.
event::Task<Result<>> ClientTransaction::message() {
  if (accepted_ == 0) {
    if (data_code_ != 354) co_return Result<>();
    auto ended = co_await empty_data();
    co_return ended;
  }
  stage_ = Stage::data;
  if (!chunked() && !data_sent_) {
    auto started = co_await start_data();
    if (!started || data_code_ != 354) co_return started;
  }
  Conversation* conversation = channel_.conversation();
  if (conversation != nullptr) {
    conversation->in_data = conversation->spoke = true;
    conversation->verb = Verb::data;
  }
  Result<> sent;
  if (chunked()) sent = co_await send_chunk();
  else sent = co_await send_dots();
  if (conversation != nullptr) {
    conversation->in_data = false;
    conversation->octets += conversation->content;
    conversation->content = 0;
  }
  if (!sent) co_return sent;
  if (conversation != nullptr) conversation->hear_content(transaction_.size);
  end_sent_ = true;
  stage_ = Stage::end_of_data;
  if (options_.lmtp) sent = co_await end_of_data_lmtp();
  else sent = co_await end_of_data();
  co_return sent;
}

event::Task<Result<>> ClientTransaction::start_data() {
  data_sent_ = true;
  std::string command = "DATA\r\n";
  auto reply = co_await channel_.ask(std::move(command), options_.timeouts.data_init);
  if (!reply) co_return std::unexpected(reply.error());
  Step step(Stage::data, 0);
  co_return take(step, *reply);
}

// RFC 2920 §3.1: every recipient was refused, but 354 came. A dot ends it, and nothing of it counts. RFC 2033 §4.2 gives no
// reply then, as there is no recipient.
event::Task<Result<>> ClientTransaction::empty_data() {
  stage_ = Stage::end_of_data;
  if (options_.lmtp) {
    channel_.drop();
    co_return Result<>();
  }
  std::string dot = ".\r\n";
  auto reply = co_await channel_.ask(std::move(dot), options_.timeouts.data_end);
  over_ = reply.has_value();
  if (!reply || reply->code == 421) channel_.drop();
  co_return Result<>();
}

event::Task<Result<std::string_view>> ClientTransaction::next_piece() {
  auto piece = co_await transaction_.content->next();
  if (!piece) co_return abandon(Status(451, 3, 0, "the message can't be read"));
  co_return piece;
}

event::Task<Result<>> ClientTransaction::write_block(std::string_view block) {
  bool spoke = channel_.input_waiting();
  Result<> written = fail(Fault::invalid, "the server spoke unasked");
  if (!spoke) written = co_await channel_.write(block, options_.timeouts.data_block);
  if (Conversation* conversation = channel_.conversation(); conversation != nullptr && written) {
    conversation->content += block.size();
    conversation->stir();
  }
  if (written || (!spoke && written.error().fault() != Fault::closed)) co_return written;
  // It spoke or closed before it had all: it may have said that it wants no more of this message (552), or that it stops (421).
  auto reply = co_await channel_.reply(options_.timeouts.quit);
  if (reply && reply->code == 421) co_return closing(*reply);
  if (reply && reply->refused()) co_return abandon(reply->status());
  co_return written;
}

event::Task<Result<>> ClientTransaction::send_dots() {
  std::string out;
  for (;;) {
    auto piece = co_await next_piece();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    for (std::string_view rest = *piece; !rest.empty(); rest.remove_prefix(std::min(rest.size(), block_limit))) {
      if (!stuffing_.stuff(rest.substr(0, block_limit), out)) co_return bare_newline();
      if (out.size() < block_limit) continue;
      auto written = co_await write_block(out);
      if (!written) co_return written;
      out.clear();
    }
  }
  if (!stuffing_.whole()) co_return bare_newline();
  stuffing_.finish(out);
  auto written = co_await write_block(out);
  co_return written;
}

// RFC 3030 §3: BINARYMIME is the content that may hold bare CR and LF.
bool ClientTransaction::check(std::string_view piece) {
  return transaction_.body == mail::Body::binary || stuffing_.check(piece);
}

// The whole message is one last chunk. A small one is gathered first and goes with its command in one write.
event::Task<Result<>> ClientTransaction::send_chunk() {
  std::string block;
  std::string_view rest;
  bool ended = false;
  while (rest.empty() && !ended) {
    auto piece = co_await next_piece();
    if (!piece) co_return std::unexpected(piece.error());
    ended = piece->empty();
    if (!check(*piece)) co_return bare_newline();
    std::size_t fits = std::min(piece->size(), block_limit - block.size());
    block += piece->substr(0, fits);
    rest = piece->substr(fits);
  }
  if (ended && !stuffing_.whole()) co_return bare_newline();
  std::uint64_t size = ended ? block.size() : transaction_.size;
  if (!ended && size <= block.size()) co_return wrong_size();
  std::uint64_t left = size - block.size();
  std::string command = fmt::format("BDAT {} LAST\r\n", size);
  channel_.hear(Heard::client, command);
  block.insert(0, command);
  auto written = co_await write_block(block);
  if (!written || ended) co_return written;
  written = co_await send_rest_of_chunk(rest, left);
  co_return written;
}

// `left` octets make the server's chunk whole, so the last of them wait until the content is known to end there.
event::Task<Result<>> ClientTransaction::send_rest_of_chunk(std::string_view rest, std::uint64_t left) {
  for (;;) {
    while (!rest.empty()) {
      std::string_view block = rest.substr(0, block_limit);
      rest.remove_prefix(block.size());
      if (block.size() > left || (block.size() == left && !rest.empty())) co_return wrong_size();
      if (block.size() == left) {
        std::string last(block);
        auto more = co_await next_piece();
        if (!more) co_return std::unexpected(more.error());
        if (!more->empty()) co_return wrong_size();
        if (!stuffing_.whole()) co_return bare_newline();
        auto written = co_await write_block(last);
        co_return written;
      }
      auto written = co_await write_block(block);
      if (!written) co_return written;
      left -= block.size();
    }
    auto piece = co_await next_piece();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) co_return wrong_size();
    if (!check(*piece)) co_return bare_newline();
    rest = *piece;
  }
}

event::Task<Result<>> ClientTransaction::end_of_data() {
  auto reply = co_await channel_.reply(options_.timeouts.data_end);
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->code == 421) co_return closing(*reply);
  if (!reply->ok() && !reply->refused()) co_return fail(Fault::invalid, fmt::format("the server said {}", reply->code));
  over_ = !chunked() || reply->ok();      // RFC 3030 §2: RSET after a refused chunk
  if (Conversation* conversation = channel_.conversation(); conversation != nullptr && reply->ok()) ++conversation->messages;
  settle_accepted(reply->status(), Stage::end_of_data);
  co_return Result<>();
}

// RFC 2033 §4.2: a reply for each recipient that was accepted, in their order. Those that were read stand, whatever follows.
event::Task<Result<>> ClientTransaction::end_of_data_lmtp() {
  bool any_ok = false, closes = false;
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i] != Fate::accepted) continue;
    auto reply = co_await channel_.reply(options_.timeouts.data_end);
    if (!reply) co_return std::unexpected(reply.error());
    if (!reply->ok() && !reply->refused()) co_return fail(Fault::invalid, fmt::format("the server said {}", reply->code));
    settle(i, reply->status(), Stage::end_of_data);
    any_ok = any_ok || reply->ok();
    closes = closes || reply->code == 421;
  }
  if (Conversation* conversation = channel_.conversation(); conversation != nullptr && any_ok) ++conversation->messages;
  over_ = !chunked() || any_ok;
  if (closes) {
    result_.host_trouble = true;
    channel_.drop();
  }
  co_return Result<>();
}

std::unexpected<Error> ClientTransaction::bare_newline() {
  return abandon(Status(554, 6, 0, "the message holds a bare CR or LF"));
}

std::unexpected<Error> ClientTransaction::wrong_size() {
  return abandon(Status(451, 3, 0, "the message is not of the size it was said to be"));
}

}  // namespace mansio::smtp
