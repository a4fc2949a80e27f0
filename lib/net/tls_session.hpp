// One TLS session over OpenSSL, without I/O of its own: bytes from the wire go in, bytes for the wire come out, and
// net::Connection moves them. While idle it holds what OpenSSL keeps of a session and no buffer: what comes in is opened
// at once into one buffer of the thread, what goes out is given back when it is sent. Private to this room.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/tls.hpp"

struct bio_st;
struct ssl_st;
struct ssl_session_st;

namespace mansio::net {

class TlsSession {
 public:
  static std::unique_ptr<TlsSession> of(std::shared_ptr<const TlsServer> server);
  // Fault::invalid: a name in the request is none.
  static Result<std::unique_ptr<TlsSession>> of(std::shared_ptr<const TlsClient> client, const TlsRequest& request);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Takes what came from the wire; true when the handshake is done. What lies behind its end is left in rest().
  // Fault::denied with the reason. Output may be there in each case.
  Result<bool> handshake(std::string_view wire);
  std::string_view rest() const noexcept { return input_; }

  // What the peer said, in one piece: a view of the thread's buffer, which the next call of any session overwrites. Empty:
  // there is no whole record yet, or it was none of data.
  std::string_view open(std::string_view wire);
  // The other side ended the session, or it is broken; failure() says how. What came before has been given out.
  bool ended() const noexcept { return ended_; }
  Error failure() const;

  // Puts `bytes` into records behind what waits to be sent. The view is valid until sent(). When it is broken() afterwards, nothing went in.
  std::string_view seal(std::string_view bytes);
  // What OpenSSL wants to say of its own: handshake, KeyUpdate, alerts.
  std::string_view output() const noexcept { return output_; }
  void sent() noexcept;                        // output() went out, or was copied: gives its memory back
  bool broken() const noexcept { return broken_; }
  void close();                                // close_notify goes into output(), once, unless the other side has ended already

  // Data that came when nobody had asked yet, and is kept for the next read.
  const std::string& early() const noexcept { return early_; }
  void keep_early(std::string_view plain) { early_.append(plain); }
  std::string_view give_early();               // in the thread's buffer, as from open()

  bool established() const noexcept { return established_; }
  const TlsInfo& info() const noexcept { return info_; }
  std::string exporter() const;
  std::string server_end_point() const;
  ssl_st* raw() noexcept { return ssl_.get(); }

  // OpenSSL's callbacks.
  static void count_message(int sent, int version, int type, const void* bytes, std::size_t size, ssl_st* ssl, void*);
  static int keep_session(ssl_st* ssl, ssl_session_st* session);
  static int read_wire(bio_st* bio, char* out, int size);
  static int write_wire(bio_st* bio, const char* bytes, int size);

 private:
  struct Free {
    void operator()(ssl_st* ssl) const noexcept;
  };
  explicit TlsSession(ssl_st* ssl);
  Result<> ask_for(const TlsRequest& request);
  void fill_info();
  void end(int outcome);

  std::unique_ptr<ssl_st, Free> ssl_;
  std::shared_ptr<const TlsServer> server_;    // one of the two; callbacks look at them
  std::shared_ptr<const TlsClient> client_;
  std::string resume_key_;                     // of a client whose session may be resumed
  std::string_view input_;
  std::string output_, early_;
  std::string failure_;
  unsigned extras_ = 0;                        // messages after the handshake that were none of data
  bool established_ = false, ended_ = false, broken_ = false, closed_ = false, must_verify_ = false;
  TlsInfo info_;
};

}  // namespace mansio::net
