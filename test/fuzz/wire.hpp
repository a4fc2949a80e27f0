// A session under fuzzing, on a loop and a socket pair of its own: what one end says is the fuzzer's, what the other end
// says is kept.
#pragma once
#include <sys/socket.h>

#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/run_on_loop.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"
#include "event/timer.hpp"
#include "fuzz/targets.hpp"
#include "net/tls.hpp"

namespace fuzz {

inline constexpr mansio::Duration patience(20000);     // nothing here ever waits for a time-out

struct Wire {
  Wire() {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "a socket pair");
    ours.emplace(*mansio::event::Stream::adopt(on.loop, mansio::UniqueFd(ends[0]), true));
    theirs.emplace(*mansio::event::Stream::adopt(on.loop, mansio::UniqueFd(ends[1]), true));
  }
  mansio::event::OnLoop on;
  std::optional<mansio::event::Stream> ours, theirs;   // the session's end, the fuzzer's end
};

// Reads all that comes until the other side closes; each piece wakes who waits for it.
struct Heard {
  std::string text;
  bool closed = false;
  mansio::event::Trigger more;
};

inline mansio::event::Task<> listen(mansio::event::Stream* stream, Heard* heard) {
  auto deadline = mansio::event::Deadline::in(patience);
  while (!heard->closed) {
    auto bytes = co_await stream->read_some(deadline);
    if (bytes) heard->text += *bytes;
    else heard->closed = true;
    heard->more.fire();
  }
}

// What a client needs for TLS, with an authority that nobody else has.
std::shared_ptr<const mansio::net::TlsClient> tls_client();

}  // namespace fuzz
