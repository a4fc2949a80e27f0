#include "auth/throttle.hpp"

#include <catch2/catch.hpp>

namespace mansio::auth {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const MonotonicTime start = MonotonicTime() + std::chrono::hours(1);

Throttle::Options bounded(std::size_t entries) {
  Throttle::Options options;
  options.entries = entries;
  return options;
}

}  // namespace

TEST_CASE("networks: an IPv4 address, an IPv6 /64") {
  struct Row { const char* client; const char* want; };
  const std::vector<Row> rows{
      {"192.0.2.1", "c0000201/32"}, {"::ffff:192.0.2.1", "c0000201/32"}, {"2001:db8:1:2:3:4:5:6", "20010db800010002/64"},
      {"2001:db8:1:2::", "20010db800010002/64"}, {"::1", "0000000000000000/64"}, {"", ""}, {"unix", ""}, {"192.0.2", ""},
  };
  for (const auto& row : rows) CHECK(network_of(row.client) == row.want);
}

TEST_CASE("the delay doubles with each failure, up to its bound") {
  Throttle throttle;
  std::vector<int> delays;
  for (int i = 0; i < 8; ++i) delays.push_back(static_cast<int>(throttle.failed("192.0.2.1", "bob", start + seconds(i)).count()));
  CHECK(delays == std::vector<int>{1000, 2000, 4000, 8000, 16000, 16000, 16000, 16000});
  CHECK(throttle.failed("198.51.100.1", "carol", start) == seconds(1));
}

TEST_CASE("failures count for the client's network whatever the names, and for the name wherever from") {
  Throttle throttle;
  CHECK(throttle.failed("2001:db8::1", "a", start) == seconds(1));
  CHECK(throttle.failed("2001:db8::2", "b", start) == seconds(2));          // the same /64
  CHECK(throttle.failed("2001:db8:0:1::1", "c", start) == seconds(1));      // another
  CHECK(throttle.failed("192.0.2.1", "bob", start) == seconds(1));
  CHECK(throttle.failed("192.0.2.2", "BOB", start) == seconds(2));
  CHECK(throttle.failed("192.0.2.3", "bob", start) == seconds(4));
  CHECK(throttle.failed("192.0.2.1", "", start) == seconds(2));
  CHECK(throttle.failed("", "bob", start) == seconds(8));
  CHECK(throttle.failed("", "", start) == seconds(0));
  CHECK(throttle.pending("192.0.2.9", "bob", start) == seconds(16));
  CHECK(throttle.pending("192.0.2.9", "bob", start) == seconds(16));        // asking does not count
  CHECK(throttle.pending("192.0.2.9", "new", start) == seconds(1));
}

TEST_CASE("failures are forgotten after a quarter of an hour without one") {
  Throttle throttle;
  for (int i = 0; i < 3; ++i) (void)throttle.failed("192.0.2.1", "bob", start);
  CHECK(throttle.failed("192.0.2.1", "bob", start + minutes(15) - seconds(1)) == seconds(8));
  CHECK(throttle.failed("192.0.2.1", "bob", start + minutes(29)) == seconds(16));
  CHECK(throttle.pending("192.0.2.1", "bob", start + minutes(44)) == seconds(1));
  CHECK(throttle.failed("192.0.2.1", "bob", start + minutes(44)) == seconds(1));
  (void)throttle.failed("192.0.2.2", "x", start + minutes(60));
  CHECK(throttle.size() == 2);   // the old ones are gone, not only not counted
}

TEST_CASE("the tables are bounded: what was quiet longest goes") {
  Throttle throttle(bounded(3));
  for (int i = 0; i < 3; ++i) (void)throttle.failed("192.0.2." + std::to_string(i), "n" + std::to_string(i), start + seconds(i));
  (void)throttle.failed("192.0.2.0", "n0", start + seconds(3));            // no longer the quietest
  (void)throttle.failed("192.0.2.9", "n9", start + seconds(4));            // takes the place of 1
  CHECK(throttle.size() == 6);
  CHECK(throttle.pending("192.0.2.0", "", start + seconds(5)) == seconds(4));
  CHECK(throttle.pending("192.0.2.1", "n1", start + seconds(5)) == seconds(1));
  CHECK(throttle.pending("192.0.2.2", "", start + seconds(5)) == seconds(2));
  for (int i = 0; i < 100000; ++i) (void)throttle.failed("10.0." + std::to_string(i % 256) + "." + std::to_string(i / 256 % 256), std::to_string(i), start + seconds(6));
  CHECK(throttle.size() == 6);
}

TEST_CASE("other delays count from the next failure on") {
  Throttle throttle;
  (void)throttle.failed("192.0.2.1", "bob", start);
  Throttle::Options options;
  options.first = seconds(3);
  throttle.use(options);
  CHECK(throttle.failed("192.0.2.1", "bob", start) == seconds(6));
  options.first = seconds(0);
  throttle.use(options);
  CHECK(throttle.failed("192.0.2.1", "bob", start) == seconds(0));
}

}  // namespace mansio::auth
