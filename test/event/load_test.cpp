// Streams under load: back-pressure, many at once, deadlines that change, owners that go first.
#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <tuple>
#include <vector>

#include "base/result.hpp"
#include "event/listener.hpp"
#include "event/stream.hpp"
#include "event/timer.hpp"
#include "run_on_loop.hpp"

namespace mansio::event {
namespace {

struct Ends {
  UniqueFd ours, theirs;
  Ends() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    ours.reset(ends[0]);
    theirs.reset(ends[1]);
  }
};

std::string numbered(std::size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) out += std::to_string(i) + "\r\n";
  out.resize(size);
  return out;
}

Task<> write_pieces(Stream* stream, std::string bytes, std::size_t piece, bool* ok) {
  *ok = true;
  std::string_view rest = bytes;
  while (!rest.empty() && *ok) {
    std::string now(rest.substr(0, piece));
    rest.remove_prefix(now.size());
    auto done = co_await stream->write(now, Deadline::in(std::chrono::seconds(20)));
    now.assign(now.size(), '!');      // the bytes need to live no longer
    *ok = done.has_value();
  }
  stream->shutdown();
}

Task<> read_slowly(Loop* loop, Stream* stream, std::string* out) {
  Timer timer(*loop);
  for (int i = 0;; ++i) {
    if (i % 8 == 0) co_await timer.sleep(Duration(1));
    auto got = co_await stream->read_some(Deadline::in(std::chrono::seconds(20)));
    if (!got) co_return;
    out->append(*got);
  }
}

Task<> ping(Loop* loop, Endpoint to, int rounds, int* good) {
  auto stream = co_await Stream::connect(*loop, to, Deadline::in(std::chrono::seconds(20)));
  if (!stream) co_return;
  std::string text = "line of " + to.address + "\r\n";
  for (int i = 0; i < rounds; ++i) {
    auto sent = co_await stream->write(text, Deadline::in(std::chrono::seconds(20)));
    if (!sent) co_return;
    std::string back;
    while (back.size() < text.size()) {
      auto got = co_await stream->read_some(Deadline::in(std::chrono::seconds(20)));
      if (!got) co_return;
      back += *got;
    }
    if (back != text) co_return;
  }
  ++*good;
}

Task<> answer(Stream stream) {
  for (;;) {
    auto got = co_await stream.read_some(Deadline::in(std::chrono::seconds(20)));
    if (!got) co_return;
    std::string copy(*got);
    auto sent = co_await stream.write(copy, Deadline::in(std::chrono::seconds(20)));
    if (!sent) co_return;
  }
}

Task<> long_then_short(Stream* stream, Fault* first, Fault* second, Duration* took) {
  auto one = co_await stream->read_some(Deadline::in(std::chrono::minutes(5)));
  *first = one ? Fault::invalid : one.error().fault();
  auto start = std::chrono::steady_clock::now();
  auto two = co_await stream->read_some(Deadline::in(Duration(40)));
  *second = two ? Fault::invalid : two.error().fault();
  *took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
}

Task<> short_then_long(Stream* stream, bool* got_all) {
  std::string text;
  for (Duration limit : {Duration(30), Duration(5000), Duration(5000)}) {
    auto got = co_await stream->read_some(Deadline::in(limit));
    if (!got) co_return;
    text += *got;
  }
  *got_all = text == "abc";
}

Task<> feed(Loop* loop, int fd, Duration first, Duration second) {
  Timer timer(*loop);
  std::ignore = ::write(fd, "a", 1);
  co_await timer.sleep(first);
  std::ignore = ::write(fd, "b", 1);
  co_await timer.sleep(second);
  std::ignore = ::write(fd, "c", 1);
}

Task<> read_fault(Stream* stream, Duration limit, Fault* fault) {
  auto got = co_await stream->read_some(Deadline::in(limit));
  *fault = got ? Fault::invalid : got.error().fault();
}
Task<> write_fault(Stream* stream, Duration limit, Fault* fault) {
  std::string much(8 << 20, 'x');
  auto done = co_await stream->write(much, Deadline::in(limit));
  *fault = done ? Fault::invalid : done.error().fault();
}

Task<Result<int>> even(int value) {
  if (value % 2 != 0) co_return fail(Fault::invalid, "odd");
  co_return value;
}
Task<Result<std::string>> through(int value) {
  auto got = co_await even(value);
  if (!got) co_return std::unexpected(got.error());
  co_return std::to_string(*got);
}
Task<> count_results(int* good, int* bad) {
  for (int i = 0; i < 1000000; ++i) {
    auto got = co_await through(i);
    ++*(got ? good : bad);
  }
}

Task<> sleeps_for(Loop* loop, int ms, int* ended) {
  Timer timer(*loop);
  co_await timer.sleep(Duration(ms));
  ++*ended;
}
Task<> joins(Scope* scope, bool* joined) {
  co_await scope->join();
  *joined = true;
}

}  // namespace

TEST_CASE("a slow reader gets every byte in order") {
  OnLoop on;
  Ends ends;
  auto writer = Stream::adopt(on.loop, std::move(ends.ours), true), reader = Stream::adopt(on.loop, std::move(ends.theirs), true);
  REQUIRE((writer && reader));
  std::string sent = numbered(9 << 20), got;
  bool ok = false;
  on.scope.spawn(write_pieces(&*writer, sent, 100001, &ok));
  on.run(read_slowly(&on.loop, &*reader, &got));
  CHECK(ok);
  CHECK(got.size() == sent.size());
  CHECK((got == sent));
}

TEST_CASE("three hundred connections talk at once") {
  OnLoop on;
  auto fd = listen_tcp("127.0.0.1", 0);
  REQUIRE(fd.has_value());
  int good = 0;
  {
    auto listener = Listener::adopt(on.loop, std::move(*fd), false, [&](Stream s) { on.scope.spawn(answer(std::move(s))); });
    REQUIRE(listener.has_value());
    Endpoint here = listener->local();
    for (int i = 0; i < 300; ++i) on.scope.spawn(ping(&on.loop, here, 20, &good));
    while (good < 300 && on.scope.running() != 0) {
      int ended = 0;
      on.run(sleeps_for(&on.loop, 20, &ended));
    }
  }
  on.loop.run();
  CHECK(good == 300);
  CHECK(on.scope.running() == 0);
}

TEST_CASE("connections outlive their listener") {
  OnLoop on;
  auto fd = listen_tcp("127.0.0.1", 0);
  int good = 0, accepted = 0, ended = 0;
  {
    auto listener = Listener::adopt(on.loop, std::move(*fd), false, [&](Stream s) {
      ++accepted;
      on.scope.spawn(answer(std::move(s)));
    });
    Endpoint here = listener->local();
    for (int i = 0; i < 5; ++i) on.scope.spawn(ping(&on.loop, here, 20000, &good));
    while (accepted < 5) on.run(sleeps_for(&on.loop, 1, &ended));
    CHECK(good == 0);
  }
  on.loop.run();
  CHECK(good == 5);
}

TEST_CASE("a shorter deadline after a longer one fires on time") {
  OnLoop on;
  Ends ends;
  auto stream = Stream::adopt(on.loop, std::move(ends.ours), true);
  Fault first{}, second{};
  Duration took{};
  auto cut = [](Stream* s) -> Task<> {
    s->interrupt();
    s->clear_interrupt();
    co_return;
  };
  // interrupt() resumes the reader, which waits again only after clear_interrupt: so its second read is cancelled too.
  on.scope.spawn(long_then_short(&*stream, &first, &second, &took));
  on.scope.spawn(cut(&*stream));
  CHECK(first == Fault::cancelled);
  CHECK(second == Fault::cancelled);
  REQUIRE(::write(ends.theirs.get(), "x", 1) == 1);
  on.run(long_then_short(&*stream, &first, &second, &took));
  CHECK(first == Fault::invalid);     // it got the byte
  CHECK(second == Fault::timed_out);
  CHECK(took >= Duration(40));
  CHECK(took < Duration(2000));
}

TEST_CASE("a longer deadline after a shorter one is not cut short") {
  OnLoop on;
  Ends ends;
  auto stream = Stream::adopt(on.loop, std::move(ends.ours), true);
  bool got_all = false;
  on.scope.spawn(feed(&on.loop, ends.theirs.get(), Duration(60), Duration(60)));
  on.run(short_then_long(&*stream, &got_all));
  CHECK(got_all);
  CHECK(on.scope.running() == 0);
}

TEST_CASE("a read and a write that wait on one stream both time out") {
  OnLoop on;
  Ends ends;
  auto stream = Stream::adopt(on.loop, std::move(ends.ours), true);
  Fault read = Fault::invalid, write = Fault::invalid;
  on.scope.spawn(read_fault(&*stream, Duration(30), &read));
  on.scope.spawn(write_fault(&*stream, Duration(30), &write));
  int ended = 0;
  on.run(sleeps_for(&on.loop, 200, &ended));
  CHECK(read == Fault::timed_out);
  CHECK(write == Fault::timed_out);
  CHECK(on.scope.running() == 0);
}

TEST_CASE("a peer that resets ends a waiting write") {
  OnLoop on;
  Ends ends;
  std::signal(SIGPIPE, SIG_IGN);
  auto stream = Stream::adopt(on.loop, std::move(ends.ours), true);
  Fault write = Fault::invalid;
  auto later = [](Loop* loop, UniqueFd* fd) -> Task<> {
    Timer timer(*loop);
    co_await timer.sleep(Duration(10));
    fd->reset();
  };
  on.scope.spawn(later(&on.loop, &ends.theirs));
  on.run(write_fault(&*stream, std::chrono::seconds(20), &write));
  CHECK(write == Fault::closed);
}

TEST_CASE("a million results pass two tasks each and need no stack") {
  OnLoop on;
  int good = 0, bad = 0;
  on.run(count_results(&good, &bad));
  CHECK(good == 500000);
  CHECK(bad == 500000);
}

TEST_CASE("join waits for the last task, also for one spawned meanwhile") {
  OnLoop on;
  Scope scope([](std::exception_ptr) {});
  int ended = 0;
  bool joined = false;
  scope.spawn(sleeps_for(&on.loop, 5, &ended));
  auto late = [](Scope* s, Loop* loop, int* count) -> Task<> {
    Timer timer(*loop);
    co_await timer.sleep(Duration(2));
    s->spawn(sleeps_for(loop, 30, count));
  };
  scope.spawn(late(&scope, &on.loop, &ended));
  on.run(joins(&scope, &joined));
  CHECK(joined);
  CHECK(ended == 2);
  CHECK(scope.running() == 0);
}

}  // namespace mansio::event
