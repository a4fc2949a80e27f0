// The status of several mail processes as one.
#include "control/status_sum.hpp"

#include <catch2/catch.hpp>

namespace mansio::control {
namespace {

nlohmann::json status_of(int messages, int sessions, const char* closed) {
  return nlohmann::json::parse(R"({"version":"1","pid":7,"mail_pid":)" + std::to_string(100 + messages) + R"(,"started":)" + std::to_string(1000 - messages) +
      R"(,"uptime_seconds":)" + std::to_string(messages) + R"(,"sessions":{"in":)" + std::to_string(sessions) + R"(,"in_limit":50,"out":1},
      "listeners":[{"name":"*:25","sessions":)" + std::to_string(sessions) + R"(,"paused":false}],
      "queue":{"messages":)" + std::to_string(messages) + R"(,"due":1,"complete":true},
      "destinations":[{"name":"a.test","messages":)" + std::to_string(messages) + R"(,"active":1,"paused":false)" + closed + R"(}],
      "rates":{"received":[1.5,2,3]},"attention":["the disk is full"],"disk":[{"what":"spool"}],"end":true})");
}

}  // namespace

TEST_CASE("Counts of mail processes are added, and what they share is told once") {
  auto sum = sum_status({status_of(3, 2, ""), status_of(5, 4, R"(,"closed_until":99,"closed_since":90,"reason":"no answer")")});
  CHECK(sum["queue"] == nlohmann::json::parse(R"({"messages":8,"due":2,"complete":true})"));
  CHECK(sum["sessions"] == nlohmann::json::parse(R"({"in":6,"in_limit":50,"out":2})"));
  CHECK(sum["listeners"] == nlohmann::json::parse(R"([{"name":"*:25","sessions":6,"paused":false}])"));
  CHECK(sum["destinations"].size() == 1);
  CHECK(sum["destinations"][0]["messages"] == 8);
  CHECK(sum["destinations"][0]["closed_until"] == 99);
  CHECK(sum["destinations"][0]["reason"] == "no answer");
  CHECK(sum["rates"]["received"] == nlohmann::json::parse("[3.0,4.0,6.0]"));
  CHECK(sum["attention"] == nlohmann::json::parse(R"(["the disk is full"])"));
  CHECK(sum["disk"].size() == 1);
  CHECK(sum["started"] == 995);
  CHECK(sum["uptime_seconds"] == 5);
  CHECK(!sum.contains("missing"));
  CHECK(sum["processes"][1]["pid"] == 105);
  CHECK(sum["processes"][1]["queue"]["messages"] == 5);
  CHECK(sum["processes"][0]["sessions"] == nlohmann::json::parse(R"({"in":2,"out":1})"));
  CHECK(!sum.contains("mail_pid"));
}

TEST_CASE("A process that does not answer is named, and one that has ended for good is not missed") {
  auto sum = sum_status({status_of(3, 2, ""), nlohmann::json(), nlohmann::json::object()});
  CHECK(sum["missing"] == nlohmann::json::parse("[1]"));
  CHECK(sum["complete"] == false);
  CHECK(sum["queue"]["complete"] == false);
  CHECK(sum["processes"].size() == 2);
  CHECK(sum["processes"][1] == nlohmann::json::parse(R"({"number":1,"missing":true})"));
  CHECK(sum["attention"] == nlohmann::json::parse(R"(["the disk is full","mail process 1 does not answer"])"));
}

TEST_CASE("The first process may be the one that is missing") {
  auto sum = sum_status({nlohmann::json(), status_of(4, 0, "")});
  CHECK(sum["queue"]["messages"] == 4);
  CHECK(sum["missing"] == nlohmann::json::parse("[0]"));
}

}  // namespace mansio::control
