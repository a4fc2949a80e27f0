#include <catch2/catch.hpp>

#include "base/quantity.hpp"
#include "base/status.hpp"
#include "base/unix_time.hpp"

namespace mansio {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("sizes are binary") {
  const std::pair<const char*, std::uint64_t> rows[] = {{"0", 0}, {"1000", 1000}, {"64K", 65536}, {"64k", 65536}, {"50M", 52428800}, {"50MB", 52428800},
      {"50MiB", 52428800}, {"2G", 2147483648}, {"1T", 1099511627776}, {"18446744073709551615", UINT64_MAX}};
  for (auto [text, bytes] : rows) {
    INFO(text);
    REQUIRE(parse_size(text).has_value());
    CHECK(parse_size(text)->bytes() == bytes);
  }
  for (const char* bad : {"", "M", "-1", "1.5M", "50 M", "50X", "50Mb", "50MM", "50KBB", "18446744073709551616", "9999999999T", " 5", "5 "}) {
    INFO(bad);
    REQUIRE_FALSE(parse_size(bad).has_value());
    CHECK(parse_size(bad).error().fault() == Fault::invalid);
  }
  CHECK(parse_size("x\n").error().text() == "\"x\\n\" is no size (write \"50M\": a number and K, M, G or T)");
  CHECK(format_size(ByteSize(52428800)) == "50M");
  CHECK(format_size(ByteSize(1500)) == "1500");
  CHECK(format_size(ByteSize(1536)) == "1536");
  CHECK(format_size(ByteSize(0)) == "0");
}

TEST_CASE("durations have units from large to small, each once") {
  const std::pair<const char*, milliseconds> rows[] = {{"15m", minutes(15)}, {"2h30m", minutes(150)}, {"1d", hours(24)}, {"500ms", milliseconds(500)},
      {"90s", seconds(90)}, {"1d2h3m4s5ms", milliseconds(93784005)}, {"0s", milliseconds(0)}, {"2m5ms", milliseconds(120005)}, {"36525d", hours(876600)}};
  for (auto [text, duration] : rows) {
    INFO(text);
    REQUIRE(parse_duration(text).has_value());
    CHECK(*parse_duration(text) == duration);
    CHECK(*parse_duration(format_duration(duration)) == duration);
  }
  for (const char* bad : {"", "5", "h", "5x", "30m2h", "1h1h", "-1s", "1.5h", "1 h", "1h ", "1H", "99999999999999999999s", "200000000000d", "106751991168d", "1000000000000d", "36526d", "36525d1ms", "9000000000000s"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_duration(bad).has_value());
    CHECK(parse_duration(bad).error().fault() == Fault::invalid);
  }
}

TEST_CASE("short forms are those of Exim's listings") {
  const std::pair<int, const char*> ages[] = {{-5, "0m"}, {0, "0m"}, {180, "3m"}, {90 * 60, "90m"}, {91 * 60, "2h"}, {25 * 3600, "25h"}, {72 * 3600, "72h"}, {96 * 3600, "4d"}};
  for (auto [age, text] : ages) CHECK(short_age(seconds(age)) == text);
  const std::pair<std::uint64_t, const char*> sizes[] = {{0, "0"}, {932, "932"}, {1023, "1023"}, {1024, "1.0K"}, {2970, "2.9K"}, {11264, "11K"},
      {1258291, "1.2M"}, {52428800, "50M"}};
  for (auto [size, text] : sizes) CHECK(short_size(size) == text);
}

TEST_CASE("a status knows its class, and one line says it") {
  CHECK(Status().line() == "250 2.0.0 OK");
  CHECK(Status(550, 1, 1, "no such\r\nuser").line() == "550 5.1.1 no such  user");
  CHECK(Status(354, "go on").line() == "354 go on");
  CHECK(Status(354, "go on").enhanced_text().empty());
  CHECK(Status(450, 2, 0, "").temporary());
  CHECK(Status(550, 2, 0, "").permanent());
  CHECK(Status(221, 2, 0, "").ok());
}

TEST_CASE("errors of the system become faults, replies and words") {
  const std::tuple<int, Fault, int> rows[] = {{ENOSPC, Fault::full, 452}, {EDQUOT, Fault::full, 452}, {EFBIG, Fault::full, 452}, {EMFILE, Fault::full, 452},
      {EIO, Fault::system, 451}, {ENOENT, Fault::not_found, 451}, {EACCES, Fault::denied, 451}, {EROFS, Fault::system, 451}, {ETIMEDOUT, Fault::timed_out, 451},
      {ECONNRESET, Fault::closed, 451}};
  for (auto [sys, fault, code] : rows) {
    Error error = Error::from_errno(sys, "do it");
    CHECK(error.fault() == fault);
    CHECK(error.sys() == sys);
    CHECK(Status::from_error(error).code() == code);
    CHECK(Status::from_error(error).temporary());
  }
  CHECK(Error::from_errno(ENOENT, "open /x").text() == "open /x: No such file or directory");
  CHECK(Status::from_error(Error(Fault::invalid, "/var/spool/x: bad")).line() == "451 4.3.0 Local error in processing, try again later");
}

TEST_CASE("a second that 64 bits of nanoseconds cannot hold is the last that is safe") {
  constexpr std::int64_t year_9999 = 253402300799;
  CHECK(unix_seconds(from_unix(year_9999)) == latest_second);
  CHECK(unix_seconds(from_unix(INT64_MAX)) == latest_second);
  CHECK(unix_seconds(from_unix(UINT64_MAX)) == latest_second);
  CHECK(unix_seconds(from_unix(latest_second)) == latest_second);
  CHECK(unix_seconds(from_unix(std::int64_t{1795000000})) == 1795000000);
  CHECK(from_unix(std::int64_t{-1}) == Time());
  CHECK(from_unix(INT64_MIN) == Time());
  CHECK(unix_seconds(Time(milliseconds(-1))) == -1);
  CHECK((is_unix_time(0) && is_unix_time(latest_second) && !is_unix_time(latest_second + 1) && !is_unix_time(UINT64_MAX)));
  // Room for what is added to it and taken from it: the longest duration a setting takes.
  auto year = *parse_duration("365d"), longest = *parse_duration("36525d");
  CHECK(unix_seconds(from_unix(INT64_MAX) + year) == latest_second + 365 * 86400);
  CHECK(unix_seconds(from_unix(INT64_MIN) - longest) == -std::int64_t{36525} * 86400);
}

}  // namespace mansio
