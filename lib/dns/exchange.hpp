// Exchange: one question to one server, over UDP, and over TCP when the answer is cut off. A socket and an id of its
// own each time, so a late answer to an earlier try meets a closed port (RFC 5452 §9.2).
#pragma once
#include "dns/wire.hpp"
#include "event/datagram.hpp"
#include "event/task.hpp"

namespace mansio::dns {

class Exchange {
 public:
  Exchange(event::Loop& loop, event::Endpoint server, Duration timeout)
      : loop_(loop), server_(std::move(server)), timeout_(timeout) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // `links`: the CNAMEs that led to the question. The verdict is never not_ours or truncated. Fault::timed_out when no
  // answer came in time, full without descriptors, cancelled after interrupt(); else the server can't be reached.
  event::Task<Result<Reply>> run(Question question, unsigned links);

  // run() ends soon: at once while it waits for an answer, else within the time-out of a TCP connection.
  void interrupt();

 private:
  event::Task<Result<Reply>> run_udp(const Question& question, bool edns);
  event::Task<Result<Reply>> run_tcp(const Question& question, bool edns);
  event::Task<Result<>> read_message(event::Stream& stream, std::string& message, event::Deadline deadline);
  Result<std::string> make_fresh_query(const Question& question, bool edns);

  event::Loop& loop_;
  event::Endpoint server_;
  Duration timeout_;
  std::uint16_t id_ = 0;
  unsigned links_ = 0;
  event::Datagram* datagram_ = nullptr;
  event::Stream* stream_ = nullptr;
  bool interrupted_ = false;
};

}  // namespace mansio::dns
