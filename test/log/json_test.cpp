#include "log/json.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "log/samples.hpp"

namespace mansio::log {
namespace {

const Time when = std::chrono::system_clock::from_time_t(1700000000) + std::chrono::milliseconds(7);

TEST_CASE("an arrival as JSON") {
  Arrival arrival{.id = "i1", .sender = "ann@x.example", .host = {"mx.x.example", "helo", "192.0.2.1", 4242},
                  .protocol = "esmtps", .tls = Tls{"TLS1.3", "C", 256, true, ""}, .size = 12,
                  .body = BodyType::eight_bit, .message_id = "m@x", .recipients = {"a@y", "b@y"}};
  CHECK(format_json(arrival, when) ==
        R"({"time":"2023-11-14T22:13:20.007Z","event":"arrival","id":"i1","sender":"ann@x.example",)"
        R"("host":{"name":"mx.x.example","helo":"helo","address":"192.0.2.1","port":4242},"protocol":"esmtps",)"
        R"("tls":{"version":"TLS1.3","cipher":"C","bits":256,"verified":true},"size":12,"body":"8BITMIME",)"
        R"("message_id":"m@x","recipients":["a@y","b@y"]})");
}

TEST_CASE("a delivery as JSON") {
  Delivery delivery{.id = "i1", .address = "b@y", .original = "a@y", .sender = "", .route = "r", .transport = "t",
                    .queue_time = std::chrono::milliseconds(1500)};
  CHECK(format_json(delivery, when) ==
        R"({"time":"2023-11-14T22:13:20.007Z","event":"delivery","mark":"first","id":"i1","address":"b@y",)"
        R"("original":"a@y","route":"r","transport":"t","sender":"","queue_time":1.5})");
}

TEST_CASE("headers of a rejection are shown only with details") {
  Rejection rejection{.sender = "a@b", .stage = Rejection::Stage::data, .temporary = true, .reason = "r",
                      .recipients = {"c@d"}, .headers = {"Subject: x"}};
  CHECK(format_json(rejection, when) ==
        R"({"time":"2023-11-14T22:13:20.007Z","event":"rejection","sender":"a@b","stage":"data","temporary":true,"reason":"r"})");
  auto full = nlohmann::json::parse(format_json(rejection, when, true));
  CHECK(full["headers"] == nlohmann::json{"Subject: x"});
  CHECK(full["recipients"] == nlohmann::json{"c@d"});
}

TEST_CASE("every sample is one line of valid JSON that names its event") {
  for (const test::Sample& sample : test::samples()) {
    std::string line = format_json(sample.event, when, true);
    CHECK(line.find('\n') == std::string::npos);
    auto parsed = nlohmann::json::parse(line);
    CHECK(parsed["event"].is_string());
    CHECK(parsed["time"] == "2023-11-14T22:13:20.007Z");
  }
}

TEST_CASE("hostile bytes give valid JSON") {
  std::string evil("a\n\0\xff\x1b\"\\", 7);
  auto parsed = nlohmann::json::parse(format_json(Notice{"", evil, true}, when));
  CHECK(parsed["text"] == "a\\n\\0\\xff\\x1b\"\\\\");      // not UTF-8: escaped as in the text log
  CHECK(parsed["event"] == "panic");
  parsed = nlohmann::json::parse(format_json(Notice{"", "gr\u00fc\u00dfe\n", false}, when));
  CHECK(parsed["text"] == "gr\u00fc\u00dfe\n");
}

}  // namespace
}  // namespace mansio::log
