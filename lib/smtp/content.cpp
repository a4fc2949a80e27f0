// DATA (RFC 5321 §4.1.1.4) and BDAT (RFC 3030): content goes straight from the read buffer to the handler. Once it is
// refused it is only counted: the reply waits for the real end of data, and what is thrown away is bounded.
#include <fmt/format.h>

#include <algorithm>

#include "smtp/server.hpp"

namespace mansio::smtp {
namespace {

constexpr std::uint64_t discard_limit = std::uint64_t{2} << 30;    // octets of refused content in a connection

}  // namespace

event::Task<Session::Reply> Session::data(Command) {
  std::optional<Status> refused;
  if (transaction_->binary) {
    refused = Status(503, 5, 1, "BODY=BINARYMIME needs BDAT");     // RFC 3030 §3
  } else {
    auto judged = co_await handler_.begin_data();
    if (!judged.ok()) {
      refused = std::move(judged);
      end_transaction();
    }
  }
  if (refused) {
    data_refused_ = true;
    body_may_follow_ = connection_.has_input();
    co_return std::move(*refused);
  }
  transaction_->content.emplace(Framing::dots, options_.bare_newline);
  say(Status(354, "End data with <CR><LF>.<CR><LF>"));
  conversation_.in_data = true;
  pace_.start();
  auto taken = co_await take_dots();
  if (!taken) co_return std::unexpected(taken.error());
  conversation_.in_data = false;
  conversation_.hear_content(transaction_->content->octets());
  auto last = co_await finish();
  co_return last;
}

event::Task<Result<>> Session::take_dots() {
  DataDecoder& content = *transaction_->content;
  while (!content.ended()) {
    auto piece = co_await read_piece();
    if (!piece) co_return std::unexpected(piece.error());
    std::vector<std::string_view> spans;
    std::size_t used = content.feed(*piece, spans);
    connection_.unread(piece->substr(used));
    auto stored = co_await store(std::move(spans), used);
    if (!stored) co_return stored;
  }
  co_return Result<>();
}

event::Task<Session::Reply> Session::bdat(Command command) {
  BdatArguments arguments = std::get<BdatArguments>(command.arguments);
  Transaction& transaction = *transaction_;
  if (!transaction.content) {
    auto judged = co_await handler_.begin_data();
    if (!judged.ok()) {
      end_transaction();
      auto gone = co_await discard(arguments.size);
      if (!gone) co_return std::unexpected(gone.error());
      co_return judged;
    }
    transaction.content.emplace(transaction.binary ? Framing::binary : Framing::chunks, options_.bare_newline);
    pace_.start();
  }
  if (++transaction.chunks > options_.chunks) refuse_content(Status(552, 3, 4, "too many chunks"));
  if (arguments.size > offered_size()) refuse_content(too_large());
  auto taken = co_await take_chunk(arguments.size, arguments.last);
  if (!taken) co_return std::unexpected(taken.error());
  if (transaction.refused && !arguments.last) {      // RFC 3030 §2: every further chunk gets 503
    Status refused = *transaction.refused;
    end_transaction();
    co_return refused;
  }
  if (!arguments.last) co_return Status(250, 0, 0, fmt::format("{} octets received", arguments.size));
  auto last = co_await finish();
  co_return last;
}

event::Task<Result<>> Session::take_chunk(std::uint64_t size, bool last) {
  std::vector<std::string_view> spans;
  std::uint64_t whole = size;
  conversation_.in_data = true;
  while (size > 0 && !transaction_->refused) {
    auto piece = co_await read_piece();
    if (!piece) co_return std::unexpected(piece.error());
    std::string_view part = piece->substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(size, piece->size())));
    connection_.unread(piece->substr(part.size()));
    size -= part.size();
    spans.clear();
    transaction_->content->feed(part, spans);
    auto stored = co_await store(std::move(spans), part.size());
    if (!stored) co_return stored;
  }
  auto gone = co_await discard(size);
  if (!gone) co_return gone;
  conversation_.in_data = false;
  conversation_.hear_content(whole);
  if (!last || transaction_->refused) co_return Result<>();
  spans.clear();
  transaction_->content->finish(spans);              // a CR that ends the last chunk is bare
  auto stored = co_await store(std::move(spans), 0);
  co_return stored;
}

// Content as it comes, at once or within the time that is left to the client.
event::Task<Result<std::string_view>> Session::read_piece() {
  if (connection_.has_input()) {
    auto piece = co_await connection_.read_chunk(event::Deadline::never());
    co_return piece;
  }
  auto sent = co_await flush();
  if (!sent) co_return std::unexpected(sent.error());
  for (;;) {
    auto began = std::chrono::steady_clock::now();
    auto piece = co_await connection_.read_chunk(event::Deadline(began + options_.data_timeout));
    if (!piece) {
      if (piece.error().fault() == Fault::cancelled && connection_.resume()) continue;
      co_return piece;
    }
    if (pace_.keeps_up(std::chrono::steady_clock::now() - began, piece->size())) co_return piece;
    co_return fail(Fault::timed_out, "content comes too slowly", ETIMEDOUT);
  }
}

// Judges the content so far, and gives `spans` (of `octets` on the wire) to the handler.
event::Task<Result<>> Session::store(std::vector<std::string_view> spans, std::uint64_t octets) {
  const DataDecoder& content = *transaction_->content;
  conversation_.stir();
  conversation_.content = content.octets();
  if (content.bare_newline() && options_.bare_newline == BareNewline::reject) {
    refuse_content(Status(550, 6, 0, "a bare CR or LF in the message (RFC 5321 section 2.3.8)"));
  }
  if (content.octets() > offered_size()) refuse_content(too_large());
  else if (octets_ + content.octets() > options_.session_size) {
    refuse_content(Status(452, 5, 3, "too many octets in one connection"));
  }
  if (transaction_->refused) {
    discarded_ += octets;
    if (discarded_ > discard_limit) co_return fail(Fault::denied, "too much refused content");
    co_return Result<>();
  }
  if (spans.empty()) co_return Result<>();
  auto stored = co_await handler_.content(std::move(spans));
  if (!stored) refuse_content(Status::from_error(stored.error()));
  co_return Result<>();
}

// Reads `size` octets of a refused chunk away. More than we would ever read: the session ends after the reply.
event::Task<Result<>> Session::discard(std::uint64_t size) {
  if (size > discard_limit - std::min(discarded_, discard_limit)) {
    over_ = true;
    co_return Result<>();
  }
  conversation_.in_data = true;
  discarded_ += size;
  while (size > 0) {
    auto piece = co_await read_piece();
    if (!piece) co_return std::unexpected(piece.error());
    std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(size, piece->size()));
    connection_.unread(piece->substr(part));
    size -= part;
  }
  conversation_.in_data = false;
  co_return Result<>();
}

Status Session::too_large() const {
  return Status(552, 3, 4, fmt::format("message too large, the limit is {} octets", offered_size()));
}

// What was stored of the message is given up at once; the client hears of it at the end of data.
void Session::refuse_content(Status status) {
  if (transaction_->refused) return;
  handler_.reset(&status);
  transaction_->refused = std::move(status);
}

// The end of data: the transaction's outcome, and its end. Every reply but the last is said; LMTP has one for each
// accepted recipient (RFC 2033 §4.2).
event::Task<Status> Session::finish() {
  std::vector<Status> replies;
  if (transaction_->refused) {
    replies.assign(lmtp() ? transaction_->accepted : 1, *transaction_->refused);
  } else if (lmtp()) {
    auto each = co_await handler_.end_data_lmtp();
    replies = std::move(each);
    replies.resize(transaction_->accepted, Status(451, 3, 0, "no answer for this recipient"));
  } else {
    auto one = co_await handler_.end_data();
    replies.push_back(std::move(one));
  }
  octets_ += transaction_->content->octets();
  conversation_.octets = octets_;
  conversation_.content = 0;
  if (std::ranges::any_of(replies, [](const Status& each) { return each.ok(); })) {
    barren_ = 0;
    ++conversation_.messages;
  }
  end_transaction();
  for (std::size_t i = 0; i + 1 < replies.size(); ++i) say(replies[i]);
  co_return std::move(replies.back());
}

}  // namespace mansio::smtp
