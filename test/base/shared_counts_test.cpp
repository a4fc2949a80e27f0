#include "base/shared_counts.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace std::string_literals;

namespace mansio {
namespace {

using Answer = SharedCounts::Answer;

struct Processes {
  explicit Processes(unsigned count) : fd(SharedCounts::make(count).value()) {
    for (unsigned i = 0; i < count; ++i) each.push_back(SharedCounts::map(fd.get(), i, count).value());
  }
  UniqueFd fd;
  std::vector<std::shared_ptr<SharedCounts>> each;
};

}  // namespace

TEST_CASE("a limit holds for all processes together, and what is given back can be had by another") {
  Processes all(2);
  auto key = SharedCounts::key("client 192.0.2.1");
  CHECK(all.each[0]->take(key, 3) == Answer::taken);
  CHECK(all.each[1]->take(key, 3) == Answer::taken);
  CHECK(all.each[0]->take(key, 3) == Answer::taken);
  CHECK(all.each[1]->take(key, 3) == Answer::over);
  CHECK(all.each[0]->take(key, 3) == Answer::over);
  CHECK(all.each[0]->count(key) == 3);
  CHECK(all.each[0]->count_of_others(key) == 1);
  all.each[0]->give(key);
  CHECK(all.each[1]->take(key, 3) == Answer::taken);
  CHECK(all.each[1]->count_of_others(key) == 1);
}

TEST_CASE("one process can't give back what another has") {
  Processes all(2);
  auto key = SharedCounts::key("a");
  REQUIRE(all.each[0]->take(key, 1) == Answer::taken);
  all.each[1]->give(key);
  CHECK(all.each[1]->take(key, 1) == Answer::over);
}

TEST_CASE("what a process had that died is free, and nothing else") {
  Processes all(3);
  auto one = SharedCounts::key("one"), two = SharedCounts::key("two");
  for (unsigned i = 0; i < 3; ++i) REQUIRE(all.each[i]->take(one, 9) == Answer::taken);
  REQUIRE(all.each[1]->take(two, 9) == Answer::taken);
  all.each[0]->forget(1);
  CHECK(all.each[2]->count(one) == 2);
  CHECK(all.each[2]->count(two) == 0);
}

TEST_CASE("things that nobody has any more make room for others") {
  Processes all(2);
  for (int i = 0; i < 300'000; ++i) {
    auto key = SharedCounts::key("passing "s + std::to_string(i));
    REQUIRE(all.each[i % 2]->take(key, 1) == Answer::taken);
    all.each[i % 2]->give(key);
  }
}

TEST_CASE("a full table says so and counts on for what it knows") {
  Processes all(2);
  std::size_t taken = 0, no_room = 0;
  for (int i = 0; i < 80'000; ++i) {
    auto answer = all.each[0]->take(SharedCounts::key("held "s + std::to_string(i)), 1);
    REQUIRE(answer != Answer::over);
    ++(answer == Answer::taken ? taken : no_room);
  }
  CHECK(taken <= 65'536);
  CHECK(taken > 60'000);
  CHECK(no_room == 80'000 - taken);
  CHECK(all.each[1]->take(SharedCounts::key("held 0"), 1) == Answer::over);
}

TEST_CASE("processes that count at once never exceed a limit, and what they leave is zero") {
  constexpr unsigned processes = 3;
  Processes all(processes + 1);
  std::vector<pid_t> pids;
  for (unsigned own = 0; own < processes; ++own) {
    pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid > 0) {
      pids.push_back(pid);
      continue;
    }
    SharedCounts& counts = *all.each[own];
    bool good = true;
    int refused = 0;           // a count that another process is about to take back may be seen
    for (int i = 0; i < 200'000; ++i) {
      // Few things, and many others that take their cells over.
      auto key = SharedCounts::key(std::to_string(i % 3)), other = SharedCounts::key(std::to_string(i) + "x" + std::to_string(own));
      if (counts.take(key, 2) == SharedCounts::Answer::taken) {
        good = good && counts.count(key) <= 2 + processes;      // others look in for a moment
        counts.give(key);
      }
      if (counts.take(other, 1) == SharedCounts::Answer::taken) counts.give(other);
      else ++refused;
    }
    ::_exit(good && refused < 1000 ? 0 : 1);
  }
  for (pid_t pid : pids) {
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
  }
  for (int i = 0; i < 3; ++i) CHECK(all.each[processes]->count(SharedCounts::key(std::to_string(i))) == 0);
  // And now they can be had, exactly twice.
  auto key = SharedCounts::key("1");
  CHECK(all.each[processes]->take(key, 2) == Answer::taken);
  CHECK(all.each[0]->take(key, 2) == Answer::taken);
  CHECK(all.each[1]->take(key, 2) == Answer::over);
}

TEST_CASE("counts of another size, or for a process that there is not, are refused") {
  auto fd = SharedCounts::make(2).value();
  CHECK_FALSE(SharedCounts::map(fd.get(), 0, 3));
  CHECK_FALSE(SharedCounts::map(fd.get(), 2, 2));
  CHECK(::ftruncate(fd.get(), 0) != 0);
}

}  // namespace mansio
