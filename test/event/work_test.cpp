#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "event/packet_socket.hpp"
#include "event/signals.hpp"
#include "event/threads.hpp"
#include "event/timer.hpp"
#include "run_on_loop.hpp"

namespace mansio::event {
namespace {

Task<> add_on_threads(Threads* threads, std::atomic<int>* sum, int value) {
  auto work = [sum, value] { return *sum += value; };
  co_await threads->run(work);
}

}  // namespace

TEST_CASE("a thousand jobs on four threads all come back") {
  OnLoop on;
  Threads threads(on.loop, "test", 4);
  std::atomic<int> sum = 0;
  for (int i = 1; i <= 1000; ++i) on.scope.spawn(add_on_threads(&threads, &sum, i));
  on.loop.run();
  CHECK(sum == 500500);
  CHECK(on.scope.running() == 0);
}

TEST_CASE("signals arrive on the loop") {
  Loop loop;
  int got = 0;
  Signals signals(loop, {SIGUSR1}, [&](int n) { got = n; loop.stop(); });
  OnLoop on;   // something to keep the loop alive: a timer
  ::raise(SIGUSR1);
  auto waits = [](Loop* l) -> Task<> {
    Timer timer(*l);
    co_await timer.sleep(Duration(50));
  };
  Scope scope([](std::exception_ptr) {});
  scope.spawn(waits(&loop));
  loop.run();
  loop.run();
  CHECK(got == SIGUSR1);
}

TEST_CASE("packets keep their bounds and carry a descriptor") {
  Loop loop;
  auto pair = packet_pair();
  REQUIRE(pair.has_value());
  std::vector<std::string> packets;
  std::string through_fd;
  bool closed = false;
  auto receiver = PacketSocket::adopt(loop, std::move(pair->first),
    [&](PacketSocket::Packet p) {
      packets.push_back(p.bytes);
      if (p.fd) {
        char buffer[16];
        auto n = ::pread(p.fd.get(), buffer, sizeof buffer, 0);
        through_fd.assign(buffer, static_cast<std::size_t>(n));
      }
    },
    [&] { closed = true; loop.stop(); });
  REQUIRE(receiver.has_value());
  {
    auto sender = PacketSocket::adopt(loop, std::move(pair->second), [](PacketSocket::Packet) {}, [] {});
    UniqueFd file(::open("/tmp", O_TMPFILE | O_RDWR, 0600));
    REQUIRE(::write(file.get(), "inside", 6) == 6);
    std::string large(200000, 'L');
    CHECK(sender->send("one", -1).has_value());
    CHECK(sender->send("two", file.get()).has_value());
    for (int i = 0; i < 20; ++i) CHECK(sender->send(large, -1).has_value());
    CHECK_FALSE(sender->send(std::string(PacketSocket::packet_limit + 1, 'x'), -1).has_value());
    auto stop_later = [](Loop* l) -> Task<> {
      Timer timer(*l);
      co_await timer.sleep(Duration(100));
      l->stop();
    };
    Scope scope([](std::exception_ptr) {});
    scope.spawn(stop_later(&loop));
    loop.run();
  }
  loop.run();
  REQUIRE(packets.size() == 22);
  CHECK(packets[0] == "one");
  CHECK(packets[1] == "two");
  CHECK(packets[21].size() == 200000);
  CHECK(through_fd == "inside");
  CHECK(closed);
}

}  // namespace mansio::event
