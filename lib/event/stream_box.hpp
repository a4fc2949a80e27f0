// The heap-held half of a Stream: libuv closes handles asynchronously, so they live here until both close callbacks
// ran. Private to lib/event.
#pragma once
#include <uv.h>

#include "event/stream.hpp"

namespace mansio::event {

struct Stream::Box {
  static Box* make(Loop& loop, bool unix_socket);
  static void release(Box* box);

  int fd() const noexcept;
  bool unix_socket() const noexcept { return handle.any.type == UV_NAMED_PIPE; }
  void start_reading();
  void arm(Deadline deadline);
  void timer_fired();
  void finish_read(Result<std::string_view> result);   // resumes: touch nothing after it
  void finish_write(Result<> result);

  explicit Box(Loop& l) : loop(l), read_result(std::string_view()) {}

  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } handle;
  uv_timer_t timer;
  Loop& loop;
  std::coroutine_handle<> reader, writer;
  MonotonicTime read_deadline{}, write_deadline{}, timer_at{};
  Result<std::string_view> read_result;
  Result<> write_result;
  int closed = 0;
  bool reading = false, full_read = false, interrupted = false, orphan = false, reset = false;
};

}  // namespace mansio::event
