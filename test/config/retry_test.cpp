#include "config/retry.hpp"

#include <catch2/catch.hpp>

namespace mansio::config {

using std::chrono::hours, std::chrono::minutes;

TEST_CASE("the default schedule is Exim's shape") {
  auto steps = parse_schedule(default_schedule);
  REQUIRE(steps);
  REQUIRE(steps->size() == 3);
  CHECK((*steps)[0].interval == minutes(15));
  CHECK((*steps)[0].factor == 1);
  CHECK((*steps)[0].until == hours(2));
  CHECK((*steps)[1].factor == 1.5);
  CHECK((*steps)[1].interval == hours(16));
  CHECK((*steps)[1].until == hours(16));
  CHECK((*steps)[2].interval == hours(6));
  CHECK((*steps)[2].until == hours(96));
}

TEST_CASE("a schedule is read back from its own text") {
  for (const char* text : {"15m until 2h, x1.5 up to 16h, 6h until 4d", "1s until 10s", "1m until 1h, x2 up to 30m until 2d"}) {
    auto steps = parse_schedule(text);
    REQUIRE(steps);
    CHECK(format_schedule(*steps) == text);
  }
  CHECK(format_schedule(*parse_schedule("10m for 1h, 20m for 1h")) == "10m until 1h, 20m until 2h");
}

TEST_CASE("a schedule that makes no sense is refused") {
  for (const char* text : {"", "15m", "15m for", "15m until 2h,", "x2 up to 1h", "15m until 2h, x1 up to 3h", "15m until 2h, x2 up to 1h",
                           "15m until 2h, 1h until 1h", "100ms until 1h", "15m for 2h more", "15m until 2h, x2 to 4h", "1m until 2h, x2 up to 4h for", "1h for 365d, 1h for 1s", "366d until 367d"}) {
    INFO(text);
    CHECK_FALSE(parse_schedule(text));
  }
}

}  // namespace mansio::config
