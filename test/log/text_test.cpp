#include "log/text.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>

#include "log/samples.hpp"

namespace mansio::log {
namespace {

TEST_CASE("each event is one line of the grammar") {
  for (const test::Sample& sample : test::samples()) {
    INFO(sample.line);
    CHECK(format_line(sample.event) == sample.line);
  }
}

TEST_CASE("the time stamp is local time to the second") {
  ::setenv("TZ", "CET-1", 1);
  ::tzset();
  Stamp stamp;
  auto time = std::chrono::system_clock::from_time_t(1700000000);
  CHECK(stamp.text(time + std::chrono::milliseconds(999)) == "2023-11-14 23:13:20");
  CHECK(stamp.text(time + std::chrono::seconds(1)) == "2023-11-14 23:13:21");
  CHECK(stamp.text(time) == "2023-11-14 23:13:20");
  CHECK(format_text(Notice{"", "hello", false}, time) == "2023-11-14 23:13:20 hello");
}

TEST_CASE("durations are written as Exim writes them") {
  struct Row {
    long long milliseconds;
    const char* text;
  };
  for (Row row : {Row{0, "0s"}, {-5, "0s"}, {7, "0.007s"}, {999, "0.999s"}, {1000, "1s"}, {45999, "45s"}, {60000, "1m"},
                  {61000, "1m1s"}, {3600000, "1h"}, {90061000, "1d1h1m1s"}, {694800000, "1w1d1h"}}) {
    CHECK(format_line(Completed{"id", Duration(row.milliseconds)}) == std::string("id Completed QT=") + row.text);
  }
}

TEST_CASE("bytes from outside never break a line or imitate a field") {
  std::string evil = std::string("a\r\n2023-11-14 23:13:20 x\0\x1b[2J\x7f\xff b) [192.0.2.66]", 47);
  Host host{evil, evil, "192.0.2.1", 25};
  Arrival arrival{.id = "i", .sender = evil, .host = host, .user = evil, .protocol = evil, .auth = evil, .message_id = evil,
                  .recipients = {evil}};
  Delivery delivery{.id = "i", .address = evil, .original = evil + "2", .sender = evil, .route = evil, .transport = evil,
                    .host = host, .reply = evil};
  Rejection rejection{.host = host, .sender = evil, .argument = evil, .reason = evil, .recipients = {evil}, .headers = {evil}};
  ConnectionTrouble trouble{.host = host, .command = evil, .input = evil, .text = evil, .commands = {evil}};
  std::vector<Event> events{arrival, delivery, Deferral{"i", evil, evil, evil, evil, 0, evil, host},
                            Failure{"i", evil, evil, evil, evil, evil, host}, rejection, AuthFailure{evil, host, evil},
                            Notice{"", evil, true}};
  for (int kind = 0; kind <= static_cast<int>(ConnectionTrouble::Kind::no_mail); ++kind) {
    trouble.kind = static_cast<ConnectionTrouble::Kind>(kind);
    events.push_back(trouble);
  }
  for (const Event& event : events) {
    std::string line = format_line(event);
    INFO(line);
    for (char c : line) CHECK(static_cast<unsigned char>(c) >= 0x20);
    CHECK(line.find('\x7f') == std::string::npos);
    CHECK(line.find('\xff') == std::string::npos);
  }
  // The HELO's own parenthesis and blank don't come through.
  CHECK(format_line(AuthFailure{"PLAIN", {"", "x) [192.0.2.66]", "192.0.2.1", 0}, "u v"}) ==
        "PLAIN authenticator failed for (x\\x29\\x20[192.0.2.66]) [192.0.2.1]: 535 Incorrect authentication data "
        "(set_id=u\\x20v)");
  CHECK(format_reject_details(rejection).find("\n2023") == std::string::npos);
}

TEST_CASE("the reject log shows envelope and headers, indented") {
  Rejection rejection{.sender = "a@x.example", .stage = Rejection::Stage::data, .reason = "spam",
                      .recipients = {"b@y.example", "c@y.example"}, .headers = {"Subject: hi", "X: a\n b"}};
  CHECK(format_reject_details(rejection) ==
        "  Envelope-from: <a@x.example>\n"
        "  Envelope-to: <b@y.example>\n"
        "               <c@y.example>\n"
        "  Subject: hi\n"
        "  X: a\\n b\n");
  CHECK(format_reject_details(Rejection{}).empty());
}

TEST_CASE("a thousand recipients are cut in the line") {
  Arrival arrival{.id = "i", .sender = "a@x", .protocol = "local", .size = 1, .recipients = std::vector<std::string>(1000, "b@y")};
  std::string line = format_line(arrival);
  CHECK(line.size() < 1000);
  CHECK(line.ends_with("b@y ...(900 more)"));
}

}  // namespace
}  // namespace mansio::log
