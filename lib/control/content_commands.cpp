// A message shown: what the queue knows of it, its body, or all of its content as the next hop would get it.
#include <algorithm>

#include "base/file.hpp"
#include "control/session.hpp"
#include "mail/header.hpp"

namespace mansio::control {
namespace {

constexpr std::uint64_t piece = 256u << 10;        // read and sent at once
constexpr std::uint64_t header_limit = 1u << 20;

// The content's first bytes and where its body begins. Blocks: for a thread.
struct Beginning {
  std::string text;
  std::uint64_t body = 0;
};
Result<Beginning> read_beginning(const spool::Content& content) {
  Beginning out;
  out.text.resize(static_cast<std::size_t>(std::min(content.length, header_limit)));
  auto read = pread_all(content.fd, out.text.data(), out.text.size(), content.offset);
  if (!read) return std::unexpected(read.error());
  mail::HeaderReader reader(out.text);
  while (reader.next()) {
  }
  out.body = reader.body_offset();
  return out;
}

Result<std::string> read_piece(const spool::Content& content, std::uint64_t at) {
  std::string out(static_cast<std::size_t>(std::min(content.length - at, piece)), '\0');
  auto read = pread_all(content.fd, out.data(), out.size(), content.offset + at);
  if (!read) return std::unexpected(read.error());
  return out;
}

}  // namespace

event::Task<> Session::queue_show() {
  auto id = spool::QueueId::parse(text_of("id"));
  std::string part = text_of("part");
  if (part != "envelope" && part != "headers" && part != "body" && part != "copy") {
    refuse("unknown part");
    co_return;
  }
  Result<std::shared_ptr<spool::Message>> message = fail(Fault::not_found, "");
  if (id) message = co_await queue_.spool.load(*id);
  // Somebody else's message is as if it weren't there.
  if (!message || !may_see(**message)) {
    refuse("Message " + text_of("id") + " is not in the queue");
    co_return;
  }
  auto look = [&] { return read_beginning((*message)->content); };
  auto beginning = co_await services_.threads.run(look);
  if (!beginning) {
    refuse("the message cannot be read: " + beginning.error().text());
    co_return;
  }
  std::string first;
  std::uint64_t from = 0;
  if (part == "envelope") {
    first = (*message)->id.text() + "\n" + mail::format_envelope((*message)->envelope);
    first += spool::format_progress((*message)->progress) + "\n" + (*message)->head + beginning->text.substr(0, static_cast<std::size_t>(beginning->body));
    from = (*message)->content.length;
  } else if (part == "headers") {
    first = (*message)->head + beginning->text.substr(0, static_cast<std::size_t>(beginning->body));
    from = (*message)->content.length;
  } else if (part == "body") {
    from = beginning->body;
  } else {
    first = (*message)->head;
  }
  if (!first.empty()) {
    Json line;
    line["bytes"] = first.size();
    say(line);
    out_ += first;
  }
  co_await send_content(*message, from);
}

// In pieces, so that memory doesn't grow with the message. The message's object keeps its file.
event::Task<> Session::send_content(std::shared_ptr<spool::Message> message, std::uint64_t from) {
  while (from < message->content.length) {
    auto work = [&] { return read_piece(message->content, from); };
    auto bytes = co_await services_.threads.run(work);
    if (!bytes) {
      refuse("the message cannot be read: " + bytes.error().text());
      co_return;
    }
    from += bytes->size();
    Json line;
    line["bytes"] = bytes->size();
    say(line);
    out_ += *bytes;
    bool there = co_await send_gathered(0);
    if (!there) co_return;
  }
  end(Json::object());
}

}  // namespace mansio::control
