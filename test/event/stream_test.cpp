#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "event/listener.hpp"
#include "event/stream.hpp"
#include "run_on_loop.hpp"

namespace mansio::event {
namespace {

struct Pair {
  UniqueFd ours, theirs;
  Pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
};

Task<> read_all(Stream* stream, std::string* out, Fault* end, Duration limit) {
  for (;;) {
    auto got = co_await stream->read_some(Deadline::in(limit));
    if (!got) {
      *end = got.error().fault();
      co_return;
    }
    *out += *got;
  }
}

Task<> write_bytes(Stream* stream, std::string bytes, bool* ok, Duration limit) {
  auto done = co_await stream->write(bytes, Deadline::in(limit));
  *ok = done.has_value();
}

Task<> echo(Stream stream) {
  for (;;) {
    auto got = co_await stream.read_some(Deadline::in(std::chrono::seconds(5)));
    if (!got) co_return;
    std::string copy(*got);
    auto done = co_await stream.write(copy, Deadline::in(std::chrono::seconds(5)));
    if (!done) co_return;
  }
}

Task<> talk(Loop* loop, Endpoint to, std::string* answer, Endpoint* peer) {
  auto stream = co_await Stream::connect(*loop, to, Deadline::in(std::chrono::seconds(5)));
  if (!stream) co_return;
  *peer = stream->peer();
  std::string hello = "hello";
  auto sent = co_await stream->write(hello, Deadline::never());
  if (!sent) co_return;
  auto got = co_await stream->read_some(Deadline::in(std::chrono::seconds(5)));
  if (got) *answer = *got;
}

}  // namespace

TEST_CASE("what one side writes the other reads, then the end") {
  OnLoop on;
  Pair pair;
  auto stream = Stream::adopt(on.loop, std::move(pair.ours), true);
  REQUIRE(stream.has_value());
  REQUIRE(::write(pair.theirs.get(), "EHLO x\r\n", 8) == 8);
  pair.theirs.reset();
  std::string text;
  Fault end{};
  on.run(read_all(&*stream, &text, &end, std::chrono::seconds(5)));
  CHECK(text == "EHLO x\r\n");
  CHECK(end == Fault::closed);
}

TEST_CASE("a silent peer times the read out") {
  OnLoop on;
  Pair pair;
  auto stream = Stream::adopt(on.loop, std::move(pair.ours), true);
  std::string text;
  Fault end{};
  on.run(read_all(&*stream, &text, &end, Duration(20)));
  CHECK(end == Fault::timed_out);
}

TEST_CASE("a peer that never reads times the write out and costs only what one write holds") {
  OnLoop on;
  Pair pair;
  auto stream = Stream::adopt(on.loop, std::move(pair.ours), true);
  bool ok = true;
  on.run(write_bytes(&*stream, std::string(8 << 20, 'x'), &ok, Duration(50)));
  CHECK_FALSE(ok);
}

TEST_CASE("an interrupted read says cancelled") {
  OnLoop on;
  Pair pair;
  auto stream = Stream::adopt(on.loop, std::move(pair.ours), true);
  std::string text;
  Fault end{};
  on.scope.spawn(read_all(&*stream, &text, &end, std::chrono::seconds(5)));
  stream->interrupt();
  CHECK(end == Fault::cancelled);
}

TEST_CASE("unix peers have credentials") {
  OnLoop on;
  Pair pair;
  auto stream = Stream::adopt(on.loop, std::move(pair.ours), true);
  auto who = stream->credentials();
  REQUIRE(who.has_value());
  CHECK(who->uid == ::getuid());
  CHECK(who->pid == ::getpid());
}

TEST_CASE("a listener on port 0 answers a connection") {
  OnLoop on;
  auto fd = listen_tcp("127.0.0.1", 0);
  REQUIRE(fd.has_value());
  auto serve = [&](Stream stream) { on.scope.spawn(echo(std::move(stream))); };
  std::string answer;
  Endpoint peer;
  {
    auto listener = Listener::adopt(on.loop, std::move(*fd), false, serve);
    REQUIRE(listener.has_value());
    Endpoint here = listener->local();
    on.run(talk(&on.loop, here, &answer, &peer));
    CHECK(peer.address == "127.0.0.1");
    CHECK(peer.port == here.port);
  }
  on.loop.run();
  CHECK(answer == "hello");
}

TEST_CASE("a port in use is an error that names it") {
  auto first = listen_tcp("127.0.0.1", 0);
  REQUIRE(first.has_value());
  Loop loop;
  auto listener = Listener::adopt(loop, std::move(*first), false, [](Stream) {});
  auto second = listen_tcp("127.0.0.1", listener->local().port);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().text() == "listen on 127.0.0.1:" + std::to_string(listener->local().port) + ": Address already in use");
}

}  // namespace mansio::event
