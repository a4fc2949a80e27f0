// Connection: a Stream read by lines or by chunks. What was read ahead is kept here; while nothing is, the connection
// owns no buffer: chunks come straight out of the loop's shared one. One coroutine reads and writes it; others may only
// ask it to end. Only CRLF ends a line (RFC 5321 §2.3.8). TLS sits between this class and the Stream.
#pragma once
#include <string>
#include <string_view>

#include "event/stream.hpp"
#include "event/task.hpp"
#include "net/tls.hpp"
#include "net/tls_session.hpp"

namespace mansio::net {

class Connection {
 public:
  explicit Connection(event::Stream stream) : stream_(std::move(stream)) {}
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;
  ~Connection();   // says close_notify (RFC 8446 §6.1) when the socket takes it at once, and closes

  // The next line without its CRLF, valid until the next read. `limit` counts the CRLF. The deadline is that of the
  // whole line. Besides the Stream's errors:
  //   Fault::too_long  the line was longer, and is gone up to its CRLF
  //   Fault::invalid   a CR or LF within it: the line is gone up to its CRLF
  //   Fault::denied    it never ended: `discard_limit` octets were read in vain
  event::Task<Result<std::string_view>> read_line(std::size_t limit, event::Deadline deadline);
  static constexpr std::size_t discard_limit = 1 << 20;

  // Overwrites in memory what was given out and lies in our own buffer: lines that held a secret.
  void wipe_lines() noexcept;

  // What is there, at least one octet. Valid until the next await of anything; what isn't used of it goes back with
  // unread(), before that.
  event::Task<Result<std::string_view>> read_chunk(event::Deadline deadline);
  void unread(std::string_view rest);

  // Would read_line (read_chunk) answer without waiting? Looks at what was read ahead, not at the socket.
  bool has_line() const noexcept;
  bool has_input() const noexcept { return at_ < ahead_.size() || (tls_ && !tls_->early().empty()); }
  // Has the peer sent anything that nobody asked for yet? Within TLS that is data: session tickets and the like are taken
  // in without a word.
  bool input_waiting() const { return has_input() || (tls_ ? take_early() : stream_.input_waiting()); }

  // Is the peer there, with nothing said that nobody asked for?
  bool quiet() const { return !has_input() && (!tls_ || (!take_early() && !tls_->ended())) && stream_.quiet(); }

  // The stream's, with the bytes sealed before and the records given back after it. No frame and no allocation in clear.
  class WriteAwaiter {
   public:
    WriteAwaiter(TlsSession* tls, event::Stream::WriteAwaiter stream) noexcept : tls_(tls), stream_(stream) {}
    bool await_ready() { return (tls_ != nullptr && tls_->broken()) || stream_.await_ready(); }
    bool await_suspend(std::coroutine_handle<> waiting) {
      bool waits = stream_.await_suspend(waiting);
      if (tls_ != nullptr) tls_->sent();      // the stream has a copy
      return waits;
    }
    Result<> await_resume() {
      if (tls_ == nullptr) return stream_.await_resume();
      tls_->sent();
      if (tls_->broken()) return std::unexpected(tls_->failure());
      return stream_.await_resume();
    }

   private:
    TlsSession* tls_;
    event::Stream::WriteAwaiter stream_;
  };
  // As Stream::write. To be awaited at once.
  WriteAwaiter write(std::string_view bytes, event::Deadline deadline) {
    return WriteAwaiter(tls_.get(), stream_.write(tls_ ? tls_->seal(bytes) : bytes, deadline));
  }
  // Ends our side and reads what the peer still sends, so that closing doesn't destroy our last words on their way.
  event::Task<> linger(event::Deadline deadline);

  // For the owner. A read that waits, or the next one, gives Fault::cancelled.
  void interrupt();                      // end at once: a write that waits ends too
  void finish();                         // end as soon as nothing is under way: the reader decides, by resume()
  // For the reader, after Fault::cancelled: true when it was only finish(), and reads wait again.
  bool resume() noexcept;
  bool finishing() const noexcept { return finishing_; }
  bool interrupted() const noexcept { return interrupted_; }

  // TLS from here on. What was read ahead in clear is thrown away, also half a line (RFC 3207 §4.2, S-047); nothing may
  // be under way. After an error (Fault::denied: the handshake, with OpenSSL's reason; or the stream's) the connection
  // is of no use.
  event::Task<Result<>> start_tls(std::shared_ptr<const TlsServer> server, event::Deadline deadline);
  event::Task<Result<>> start_tls(std::shared_ptr<const TlsClient> client, TlsRequest request, event::Deadline deadline);
  // Null in clear text. Lives as long as the connection.
  const TlsInfo* tls() const noexcept { return tls_ && tls_->established() ? &tls_->info() : nullptr; }
  // For SASL's channel binding: tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929); "" where there is none.
  std::string tls_exporter() const { return tls_ ? tls_->exporter() : std::string(); }
  std::string tls_server_end_point() const { return tls_ ? tls_->server_end_point() : std::string(); }

  event::Endpoint peer() const { return stream_.peer(); }
  event::Endpoint local() const { return stream_.local(); }

 private:
  std::string_view ahead() const noexcept { return std::string_view(ahead_).substr(at_); }
  void skip(std::size_t octets) noexcept { at_ += octets; }
  void forget_read();
  event::Task<Result<>> shake_hands(event::Deadline deadline);
  event::Task<Result<std::string_view>> read_tls(event::Deadline deadline);
  bool take_early() const;

  event::Stream stream_;
  std::unique_ptr<TlsSession> tls_;
  std::string ahead_;          // read ahead; empty while the connection is idle
  std::size_t at_ = 0;         // of ahead_, what was given out already
  std::size_t dropped_ = 0;    // octets of the line under way that were thrown away: it is too long
  bool finishing_ = false, interrupted_ = false;
};

}  // namespace mansio::net
