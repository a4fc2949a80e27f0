// Whose a spool is.
#include "spool/shard.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "spool/store.hpp"

namespace mansio::spool {
namespace {

// A process that opens the shard; what `then` does goes on in it.
template <class Then>
pid_t owner_of(const std::string& directory, Then then) {
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    auto shard = Shard::open(directory);
    if (!shard) ::_exit(1);
    then(ready[1]);
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return pid;
}

void tell(int fd) {
  if (::write(fd, "x", 1) != 1) ::_exit(1);
}

}  // namespace

TEST_CASE("a spool that another process has is refused at once, with the other's pid") {
  ScratchDirectory scratch;
  pid_t owner = owner_of(scratch / "0", [](int fd) {
    tell(fd);
    ::pause();
  });
  auto begin = std::chrono::steady_clock::now();
  auto refused = Shard::open(scratch / "0");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().fault() == Fault::busy);
  CHECK(refused.error().text() == scratch.path() + "/0 is in use by another mansiod (pid " + std::to_string(owner) + "): stop it first, or give this one its own spool_directory");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(4));
  ::kill(owner, SIGKILL);
  CHECK(::waitpid(owner, nullptr, 0) == owner);
  CHECK(Shard::open(scratch / "0").has_value());
}

// As a thread would that is still in a sync: the process is dead, and what it had open is not closed yet.
TEST_CASE("a spool whose owner was killed is opened when that has let go of it") {
  ScratchDirectory scratch;
  pid_t owner = owner_of(scratch / "0", [](int fd) {
    pid_t first = ::getpid();
    if (::fork() == 0) {
      while (::getppid() == first) ::usleep(1000);
      ::usleep(20'000);      // a zombie by now
      tell(fd);
      ::usleep(300'000);
    }
  });
  auto shard = Shard::open(scratch / "0");
  CHECK(shard.has_value());
  CHECK(::waitpid(owner, nullptr, 0) == owner);
}

}  // namespace mansio::spool
