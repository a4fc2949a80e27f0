#include "receive/fetch.hpp"

#include <catch2/catch.hpp>

namespace mansio::receive {

TEST_CASE("a client may ask for mail ten times a minute, whatever others do") {
  FetchPace pace;
  MonotonicTime now{std::chrono::hours(1)};
  for (int i = 0; i < 10; ++i) CHECK(pace.may_ask("192.0.2.1", now + std::chrono::seconds(i)));
  CHECK_FALSE(pace.may_ask("192.0.2.1", now + std::chrono::seconds(10)));
  CHECK(pace.may_ask("192.0.2.2", now + std::chrono::seconds(10)));
  CHECK_FALSE(pace.may_ask("192.0.2.1", now + std::chrono::seconds(59)));
  CHECK(pace.may_ask("192.0.2.1", now + std::chrono::seconds(60)));      // the first is forgotten
  CHECK_FALSE(pace.may_ask("192.0.2.1", now + std::chrono::seconds(60)));
}

TEST_CASE("ten thousand clients that ask are too many at once, and forgotten after a minute") {
  FetchPace pace;
  MonotonicTime now{std::chrono::hours(1)};
  for (int i = 0; i < 10'000; ++i) REQUIRE(pace.may_ask("client " + std::to_string(i), now));
  CHECK_FALSE(pace.may_ask("one more", now + std::chrono::seconds(59)));
  CHECK(pace.may_ask("one more", now + std::chrono::seconds(60)));
}

}  // namespace mansio::receive
