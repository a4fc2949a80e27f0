#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/unique_fd.hpp"
#include "event/watch.hpp"

namespace mansio::event {

TEST_CASE("a watch tells of each moment its descriptor can be read, and of none after it is gone") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  UniqueFd out(ends[0]), in(ends[1]);
  Loop loop;
  std::string got;
  std::optional<Watch> watch;
  auto ready = [&](unsigned events) {
    CHECK(events == Watch::readable);
    char c = 0;
    while (::read(out.get(), &c, 1) == 1) got += c;
    if (got.size() == 1) CHECK(::write(in.get(), "b", 1) == 1);
    else watch.reset();                                   // from inside its own callback
  };
  auto started = Watch::start(loop, out.get(), Watch::readable, ready);
  REQUIRE(started);
  watch.emplace(std::move(*started));
  REQUIRE(::write(in.get(), "a", 1) == 1);
  loop.run();                                             // ends when nothing is watched any more
  CHECK(got == "ab");
}

TEST_CASE("a watch on a file that can't be watched is an error") {
  Loop loop;
  UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  auto unused = [](unsigned) {};
  CHECK_FALSE(Watch::start(loop, file.get(), Watch::readable, unused));
}

}  // namespace mansio::event
