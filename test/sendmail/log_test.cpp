#include "sendmail_log.hpp"

#include <catch2/catch.hpp>

namespace mansio::sendmail {
namespace {

TEST_CASE("a log line names an id only as a word of its own") {
  const char* id = "1tBx6K-000001-AA";
  CHECK(names_id("2026-11-22 07:00:00 1tBx6K-000001-AA Completed", id));
  CHECK(names_id("2026-11-22 07:00:00 1tBx6K-000002-AA <= <> R=1tBx6K-000001-AA P=local", id));
  CHECK(names_id("{\"id\":\"1tBx6K-000001-AA\"}", id));
  CHECK(names_id("x1tBx6K-000001-AA 1tBx6K-000001-AA", id));
  CHECK(names_id(id, id));
  CHECK_FALSE(names_id("2026-11-22 07:00:00 x1tBx6K-000001-AA Completed", id));
  CHECK_FALSE(names_id("2026-11-22 07:00:00 1tBx6K-000001-AAB Completed", id));
  CHECK_FALSE(names_id("1tBx6K-000001-AA-x", id));
  CHECK_FALSE(names_id("", id));
}

}  // namespace
}  // namespace mansio::sendmail
