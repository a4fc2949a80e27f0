#include <catch2/catch.hpp>

#include "config/retry.hpp"
#include "queue/schedule.hpp"

namespace mansio::queue {
namespace {

using namespace std::chrono_literals;

const Time noon{std::chrono::seconds(1700000000)};

std::vector<config::RetryStep> schedule(const char* text) { return *config::parse_schedule(text); }

// Minutes after arrival of every attempt, when each is made exactly on time; the last number is where it ends.
std::vector<long> attempts(const char* text) {
  std::vector<long> out;
  Time now = noon;
  while (auto next = next_attempt(schedule(text), noon, now)) {
    out.push_back(std::chrono::duration_cast<std::chrono::minutes>(*next - noon).count());
    now = *next;
  }
  return out;
}

}  // namespace

TEST_CASE("a fixed step repeats until its end, which is one last attempt") {
  CHECK(attempts("15m for 1h") == std::vector<long>{15, 30, 45, 60});
  CHECK(attempts("20m until 50m") == std::vector<long>{20, 40, 50});
}

TEST_CASE("a growing step multiplies the last interval and stops growing at its cap") {
  CHECK(attempts("10m for 20m, x2 up to 40m until 3h") == std::vector<long>{10, 20, 40, 80, 120, 160, 180});
}

TEST_CASE("the default goes from quarter hours to six hours and ends after four days") {
  auto all = attempts(config::default_schedule);
  REQUIRE(all.size() > 15);
  CHECK(std::vector<long>(all.begin(), all.begin() + 9) == std::vector<long>{15, 30, 45, 60, 75, 90, 105, 120, 142});
  CHECK(all.back() == 4 * 24 * 60);
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i] > all[i - 1]);
}

TEST_CASE("a restart neither loses nor hurries an attempt: the next one follows from the age alone") {
  auto steps = schedule("15m for 2h");
  CHECK(*next_attempt(steps, noon, noon + 44min) == noon + 45min);
  CHECK(*next_attempt(steps, noon, noon + 46min) == noon + 60min);
}

TEST_CASE("past the last step there is no further attempt") {
  CHECK_FALSE(next_attempt(schedule("15m for 2h"), noon, noon + 2h).has_value());
  CHECK_FALSE(next_attempt(schedule("15m for 2h"), noon, noon + 100h).has_value());
}

TEST_CASE("a destination is left alone as long as a message would wait, and goes on being tried when that message would have expired") {
  auto pause = [](const char* text, Duration outage) { return site_pause(schedule(text), noon, noon + outage); };
  CHECK(pause("15m for 2h", 0min) == 15min);
  CHECK(pause("15m for 2h", 46min) == 14min);
  CHECK(pause("15m for 2h", 2h) == 15min);
  CHECK(pause("15m for 2h", 100h) == 15min);
  CHECK(pause("1s for 1s", 1s) == 1s);                       // not an hour: mail for it would wait long past its time
  CHECK(pause("1s for 1s", 999ms) == 1s);                    // never shorter
  CHECK(pause(config::default_schedule, 24h) == 1h);         // nor longer
  CHECK(pause(config::default_schedule, 24h * 5) == 1h);
  CHECK(site_pause({}, noon, noon) == 1h);
}

TEST_CASE("a clock that went back makes a message new, not expired") {
  auto next = next_attempt(schedule("15m for 2h"), noon, noon - 10h);
  REQUIRE(next.has_value());
  CHECK(*next == noon - 10h + 15min);
}

TEST_CASE("a long schedule of short steps is answered at once") {
  auto next = next_attempt(schedule("1s until 30d"), noon, noon + 29 * 24h + 500ms);
  REQUIRE(next.has_value());
  CHECK(*next == noon + 29 * 24h + 1s);
}

}  // namespace mansio::queue
