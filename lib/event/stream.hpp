// Stream: one connected TCP or unix socket. At most one read and one write wait at a time; each has a Deadline.
//
// A read gives a view into the loop's one shared buffer, so an idle connection owns none: use or copy it before the
// next await. Writes go out at once when the socket takes them; what it doesn't take is copied to the stream and the
// await lasts until it went out, which is the back-pressure a client that never reads meets (S-117).
#pragma once
#include <coroutine>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "event/loop.hpp"
#include "event/task.hpp"

struct uv_connect_s;
struct uv_stream_s;

namespace mansio::event {

struct Endpoint {
  std::string address;        // "192.0.2.1", "2001:db8::1"; "" for a unix socket
  std::uint16_t port = 0;
};

struct PeerCredentials {      // of a unix socket, from the kernel (SO_PEERCRED)
  int pid = 0;
  unsigned uid = 0, gid = 0;
};

class Stream {
 public:
  struct Box;

  // Takes the connected socket over. Fails only when the loop cannot watch it.
  static Result<Stream> adopt(Loop& loop, UniqueFd fd, bool unix_socket);
  // Connects by TCP. Addresses are numeric; `source` may be "". Fault::full is trouble of our own (no descriptor left).
  static Task<Result<Stream>> connect(Loop& loop, Endpoint to, std::string source, Deadline deadline);
  static Task<Result<Stream>> connect(Loop& loop, Endpoint to, Deadline deadline);
  static Task<Result<Stream>> connect_unix(Loop& loop, std::string path, Deadline deadline);

  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();   // closes

  class ReadAwaiter {
   public:
    ReadAwaiter(Box* box, Deadline deadline) noexcept : box_(box), deadline_(deadline) {}
    bool await_ready();
    void await_suspend(std::coroutine_handle<> waiting);
    Result<std::string_view> await_resume();

   private:
    Box* box_;
    Deadline deadline_;
  };
  // At least one byte; Fault::closed at the end of the stream or a reset, timed_out, cancelled after interrupt().
  ReadAwaiter read_some(Deadline deadline) noexcept { return ReadAwaiter(box_, deadline); }

  class WriteAwaiter {
   public:
    WriteAwaiter(Box* box, std::string_view bytes, Deadline deadline) noexcept : box_(box), bytes_(bytes), deadline_(deadline) {}
    bool await_ready();
    bool await_suspend(std::coroutine_handle<> waiting);
    Result<> await_resume();

   private:
    Box* box_;
    std::string_view bytes_;
    Deadline deadline_;
  };
  // All of `bytes` (which need only live until the call has begun). After a failure the stream is of no use.
  WriteAwaiter write(std::string_view bytes, Deadline deadline) noexcept { return WriteAwaiter(box_, bytes, deadline); }

  // What has come already, without waiting, as a view like read_some()'s; "" when there is nothing, also at the end.
  std::string_view read_now() const noexcept;
  // Is there input already, so that one more read would not wait? Looks at the socket; consumes nothing.
  bool input_waiting() const noexcept;
  // Is the peer there, and silent? Looks at the socket, as input_waiting(); false also at the end of the stream.
  bool quiet() const noexcept;
  // A waiting read, or the next one, returns Fault::cancelled: the way to stop somebody else's coroutine.
  void interrupt();
  // Like interrupt(), and a write that waits ends too, also Fault::cancelled: the stream is then of no use.
  void abort();
  // Reads after it may wait again.
  void clear_interrupt() noexcept;
  // Ends our sending side.
  void shutdown() noexcept;
  // Closing sends RST instead of lingering; for clients that must not cost anything more.
  void reset_on_close() noexcept;

  Endpoint peer() const;
  Endpoint local() const;
  Result<PeerCredentials> credentials() const;

 private:
  explicit Stream(Box* box) noexcept : box_(box) {}
  static void connected(uv_connect_s* request, int status);
  friend class Listener;
  Box* box_;
};

}  // namespace mansio::event
