#include "net/connection.hpp"

#include <openssl/crypto.h>

#include <utility>

namespace mansio::net {
namespace {

constexpr std::size_t kept_capacity = 256;       // a longer buffer is given back as soon as it is empty
constexpr std::size_t linger_limit = 1 << 20;    // octets read after our last words

// Position of the first CRLF at or after `from`, npos if none is there.
std::size_t find_crlf(std::string_view text, std::size_t from) noexcept {
  for (auto lf = text.find('\n', from); lf != std::string_view::npos; lf = text.find('\n', lf + 1)) {
    if (lf > 0 && text[lf - 1] == '\r') return lf - 1;
  }
  return std::string_view::npos;
}

}  // namespace

bool Connection::has_line() const noexcept { return find_crlf(ahead(), 0) != std::string_view::npos; }

void Connection::forget_read() {
  if (at_ < ahead_.size()) {
    bool roomy = ahead_.capacity() > 4096 && ahead().size() < kept_capacity;
    if (roomy) ahead_ = std::string(ahead());
    else ahead_.erase(0, at_);
  } else {
    ahead_.clear();
    if (ahead_.capacity() > kept_capacity) std::string().swap(ahead_);
  }
  at_ = 0;
}

void Connection::wipe_lines() noexcept { OPENSSL_cleanse(ahead_.data(), at_); }

event::Task<Result<std::string_view>> Connection::read_line(std::size_t limit, event::Deadline deadline) {
  std::size_t scanned = 0;
  for (;;) {
    auto end = find_crlf(ahead(), scanned);
    if (end != std::string_view::npos) {
      std::string_view line = ahead().substr(0, end);
      skip(end + 2);
      if (std::exchange(dropped_, 0) > 0 || line.size() + 2 > limit) co_return fail(Fault::too_long, "line too long");
      if (line.find_first_of("\r\n") != std::string_view::npos) co_return fail(Fault::invalid, "bare CR or LF");
      co_return line;
    }
    if (dropped_ > discard_limit) co_return fail(Fault::denied, "a line without end");
    if (ahead().size() > limit) {      // it can only be too long: keep what may be half of its CRLF
      dropped_ += ahead().size() - 1;
      skip(ahead().size() - 1);
    }
    forget_read();
    scanned = ahead_.empty() ? 0 : ahead_.size() - 1;
    Result<std::string_view> more = std::string_view();
    if (tls_) more = co_await read_tls(deadline);
    else more = co_await stream_.read_some(deadline);
    if (!more) co_return std::unexpected(more.error());
    ahead_.append(*more);
  }
}

event::Task<Result<std::string_view>> Connection::read_chunk(event::Deadline deadline) {
  if (!ahead().empty()) {
    std::string_view chunk = ahead();
    at_ = ahead_.size();
    co_return chunk;
  }
  forget_read();
  Result<std::string_view> chunk = std::string_view();
  if (tls_) chunk = co_await read_tls(deadline);
  else chunk = co_await stream_.read_some(deadline);
  co_return chunk;
}

void Connection::unread(std::string_view rest) {
  if (rest.empty()) return;
  if (!ahead_.empty()) {     // the chunk was ours: `rest` is its end
    at_ = ahead_.size() - rest.size();
    return;
  }
  ahead_ = rest;
  at_ = 0;
}

event::Task<> Connection::linger(event::Deadline deadline) {
  if (tls_) {
    tls_->close();
    auto said = co_await stream_.write(tls_->output(), deadline);
    tls_->sent();
    if (!said) co_return;
  }
  stream_.shutdown();
  std::size_t gone = 0;
  while (gone < linger_limit) {
    auto chunk = co_await stream_.read_some(deadline);
    if (!chunk) co_return;
    gone += chunk->size();
  }
}

Connection::~Connection() {
  if (!tls_) return;
  tls_->close();
  auto farewell = stream_.write(tls_->output(), event::Deadline::never());
  if (!tls_->output().empty()) farewell.await_ready();      // what the socket doesn't take now is not worth waiting for
}

// ---- TLS

event::Task<Result<>> Connection::start_tls(std::shared_ptr<const TlsServer> server, event::Deadline deadline) {
  if (tls_) co_return fail(Fault::invalid, "TLS within TLS");
  tls_ = TlsSession::of(std::move(server));
  auto shaken = co_await shake_hands(deadline);
  co_return shaken;
}

event::Task<Result<>> Connection::start_tls(std::shared_ptr<const TlsClient> client, TlsRequest request, event::Deadline deadline) {
  if (tls_) co_return fail(Fault::invalid, "TLS within TLS");
  auto session = TlsSession::of(std::move(client), request);
  if (!session) co_return std::unexpected(session.error());
  tls_ = std::move(*session);
  auto shaken = co_await shake_hands(deadline);
  co_return shaken;
}

event::Task<Result<>> Connection::shake_hands(event::Deadline deadline) {
  // RFC 3207 §4.2: nothing said in clear counts any more, also not the beginning of a line.
  std::string().swap(ahead_);
  at_ = dropped_ = 0;
  std::string_view wire;
  for (;;) {
    auto done = tls_->handshake(wire);
    if (done && *done) ahead_ = tls_->open(tls_->rest());      // it lies in the loop's buffer: before the next await
    auto written = co_await stream_.write(tls_->output(), deadline);
    tls_->sent();
    if (!done) co_return std::unexpected(done.error());
    if (!written) co_return written;
    if (*done) co_return Result<>();
    if (deadline.passed()) co_return fail(Fault::timed_out, "TLS handshake timed out", ETIMEDOUT);
    auto chunk = co_await stream_.read_some(deadline);
    if (!chunk) co_return std::unexpected(chunk.error());
    wire = *chunk;
  }
}

event::Task<Result<std::string_view>> Connection::read_tls(event::Deadline deadline) {
  if (!tls_->early().empty()) co_return tls_->give_early();
  for (;;) {
    if (!tls_->output().empty()) {
      auto written = co_await stream_.write(tls_->output(), deadline);
      tls_->sent();
      if (!written && !tls_->ended()) co_return std::unexpected(written.error());
    }
    if (tls_->ended()) co_return std::unexpected(tls_->failure());
    auto chunk = co_await stream_.read_some(deadline);
    if (!chunk) co_return chunk;
    auto plain = tls_->open(*chunk);
    if (!plain.empty()) co_return plain;
  }
}

// Takes in what lies in the socket, without waiting; data is kept for the next read. True when there is some.
bool Connection::take_early() const {
  while (tls_->early().empty() && !tls_->ended()) {
    auto chunk = stream_.read_now();
    if (chunk.empty()) return false;
    tls_->keep_early(tls_->open(chunk));
  }
  return !tls_->early().empty();
}

void Connection::interrupt() {
  interrupted_ = true;
  stream_.abort();       // last: what it resumes may destroy this connection
}

void Connection::finish() {
  finishing_ = true;
  stream_.interrupt();
}

bool Connection::resume() noexcept {
  if (interrupted_) return false;
  stream_.clear_interrupt();
  return true;
}

}  // namespace mansio::net
