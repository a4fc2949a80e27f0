// The traps of gcc 12's coroutines, kept as tests of the ways around them. What must not be written is refused by
// the coroutine lint; here stands what must keep working.
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "event/threads.hpp"
#include "event/timer.hpp"
#include "run_on_loop.hpp"

namespace mansio::event {
namespace {

int living = 0;
struct Counted {
  std::string text = "long enough to be on the heap, whatever the string's small buffer";
  Counted() { ++living; }
  Counted(const Counted& o) : text(o.text) { ++living; }
  Counted(Counted&& o) noexcept : text(std::move(o.text)) { ++living; }
  ~Counted() { --living; }
};

Task<int> ready(int value) { co_return value; }
Task<std::size_t> length(Counted c) { co_return c.text.size(); }
Task<Counted> make() { co_return Counted(); }

Task<> count_to_a_million(long* sum) {
  for (int i = 0; i < 1000000; ++i) *sum += co_await ready(1);
}

Task<> nested(int depth, int* leaves) {
  if (depth == 0) {
    ++*leaves;
    co_return;
  }
  co_await nested(depth - 1, leaves);
  co_await nested(depth - 1, leaves);
}

Task<> throws() {
  co_await ready(1);
  throw std::runtime_error("a bug");
}

Task<> pass_by_value(std::size_t* out) {
  Counted named;
  *out = co_await length(std::move(named));
  Counted made = co_await make();
  *out += made.text.size();
}

Task<> on_a_thread(Threads* threads, std::thread::id* where, std::size_t* size) {
  auto shared = std::make_shared<Counted>();
  auto work = [shared, where] {
    *where = std::this_thread::get_id();
    return shared->text.size();
  };
  *size = co_await threads->run(work);
}

Task<> sleeps(Loop* loop, bool* elapsed) {
  Timer timer(*loop);
  *elapsed = co_await timer.sleep(Duration(5));
}

}  // namespace

TEST_CASE("a million ready awaits need no stack") {
  OnLoop on;
  long sum = 0;
  on.run(count_to_a_million(&sum));
  CHECK(sum == 1000000);
}

TEST_CASE("nested tasks run each leaf once") {
  OnLoop on;
  int leaves = 0;
  on.run(nested(14, &leaves));
  CHECK(leaves == 1 << 14);
}

TEST_CASE("arguments that are named and moved are destroyed once") {
  living = 0;
  std::size_t length = 0;
  {
    OnLoop on;
    on.run(pass_by_value(&length));
  }
  CHECK(length == 2 * Counted().text.size());
  CHECK(living == 0);
}

TEST_CASE("a named lambda runs on a thread and its captures are destroyed once") {
  living = 0;
  std::thread::id where;
  std::size_t size = 0;
  {
    OnLoop on;
    Threads threads(on.loop, "test", 2);
    on.run(on_a_thread(&threads, &where, &size));
  }
  CHECK(where != std::this_thread::get_id());
  CHECK(where != std::thread::id());
  CHECK(size == Counted().text.size());
  CHECK(living == 0);
}

TEST_CASE("an exception of a spawned task reaches the scope's handler and nothing else stops") {
  Loop loop;
  int caught = 0, leaves = 0;
  Scope scope([&](std::exception_ptr) { ++caught; });
  scope.spawn(throws());
  scope.spawn(nested(3, &leaves));
  loop.run();
  CHECK(caught == 1);
  CHECK(leaves == 8);
  CHECK(scope.running() == 0);
}

TEST_CASE("a timer elapses") {
  OnLoop on;
  bool elapsed = false;
  on.run(sleeps(&on.loop, &elapsed));
  CHECK(elapsed);
}

TEST_CASE("a woken timer says that its time has not come") {
  OnLoop on;
  bool elapsed = true;
  Timer timer(on.loop);
  auto waits = [](Timer* t, bool* out) -> Task<> { *out = co_await t->sleep(std::chrono::hours(1)); };
  on.scope.spawn(waits(&timer, &elapsed));
  timer.wake();
  CHECK_FALSE(elapsed);
  CHECK(on.scope.running() == 0);
}

}  // namespace mansio::event
