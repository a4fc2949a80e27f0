#include "dns/exchange.hpp"

#include <sys/random.h>

namespace mansio::dns {

using event::Deadline;

event::Task<Result<Reply>> Exchange::run(Question question, unsigned links) {
  using Verdict = Reply::Verdict;
  links_ = links;
  for (bool edns = true;; edns = false) {
    auto reply = co_await run_udp(question, edns);
    if (reply && reply->verdict == Verdict::truncated) {
      reply = co_await run_tcp(question, edns);
      // TC has no meaning in TCP, and nothing else is to be expected there.
      bool odd = reply && (reply->verdict == Verdict::truncated || reply->verdict == Verdict::not_ours);
      if (odd) reply->verdict = Verdict::server_failed;
    }
    bool again = edns && reply && reply->verdict == Verdict::format_error;   // RFC 6891 §7: it doesn't know EDNS0
    if (!again) co_return std::move(reply);
  }
}

void Exchange::interrupt() {
  interrupted_ = true;
  if (datagram_ != nullptr) datagram_->interrupt();
  else if (stream_ != nullptr) stream_->interrupt();
}

// A fresh, unpredictable id each time (RFC 5452 §9.2).
Result<std::string> Exchange::make_fresh_query(const Question& question, bool edns) {
  if (interrupted_) return fail(Fault::cancelled, "stopped", ECANCELED);
  if (::getrandom(&id_, sizeof id_, 0) != static_cast<ssize_t>(sizeof id_)) return fail_errno("random id");
  return make_query(id_, question, edns);
}

event::Task<Result<Reply>> Exchange::run_udp(const Question& question, bool edns) {
  auto query = make_fresh_query(question, edns);
  if (!query) co_return std::unexpected(query.error());
  auto socket = event::Datagram::connect(loop_, server_);
  if (!socket) co_return std::unexpected(socket.error());
  if (auto sent = socket->send(*query); !sent) co_return std::unexpected(sent.error());
  auto deadline = Deadline::in(timeout_);
  datagram_ = &*socket;
  for (;;) {
    auto octets = co_await datagram_->receive(deadline);
    if (!octets) {
      datagram_ = nullptr;
      co_return std::unexpected(octets.error());
    }
    Reply reply = parse_answer(*octets, id_, question, links_);
    if (reply.verdict == Reply::Verdict::not_ours) continue;   // forged or late: ours may still come
    datagram_ = nullptr;
    co_return std::move(reply);
  }
}

// RFC 7766 §8: two octets of length stand before each message.
event::Task<Result<Reply>> Exchange::run_tcp(const Question& question, bool edns) {
  auto query = make_fresh_query(question, edns);
  if (!query) co_return std::unexpected(query.error());
  auto deadline = Deadline::in(timeout_);
  auto stream = co_await event::Stream::connect(loop_, server_, deadline);
  if (!stream) co_return std::unexpected(stream.error());
  if (interrupted_) co_return fail(Fault::cancelled, "stopped", ECANCELED);
  std::string framed;
  framed += static_cast<char>(query->size() >> 8);
  framed += static_cast<char>(query->size());
  framed += *query;
  auto sent = co_await stream->write(framed, deadline);
  if (!sent) co_return std::unexpected(sent.error());
  if (interrupted_) co_return fail(Fault::cancelled, "stopped", ECANCELED);
  std::string message;
  stream_ = &*stream;
  auto read = co_await read_message(*stream, message, deadline);
  stream_ = nullptr;
  if (!read) co_return std::unexpected(read.error());
  co_return parse_answer(message, id_, question, links_);
}

event::Task<Result<>> Exchange::read_message(event::Stream& stream, std::string& message, Deadline deadline) {
  std::size_t wanted = 2;   // the length, then as much as it says
  bool has_length = false;
  for (;;) {
    auto octets = co_await stream.read_some(deadline);
    if (!octets) co_return std::unexpected(octets.error());
    message += *octets;
    if (!has_length && message.size() >= 2) {
      auto high = static_cast<unsigned char>(message[0]), low = static_cast<unsigned char>(message[1]);
      wanted = static_cast<std::size_t>(high << 8 | low);
      message.erase(0, 2);
      has_length = true;
    }
    if (has_length && message.size() >= wanted) break;
  }
  message.resize(wanted);
  co_return Result<>();
}

}  // namespace mansio::dns
