#include "log/w3c.hpp"

#include <catch2/catch.hpp>

using namespace mansio;
using namespace mansio::log;

namespace {

const Time some_time = Time(std::chrono::seconds(1'763'647'400)) + std::chrono::milliseconds(999);

Exchange some_exchange() {
  Exchange out;
  out.time = some_time;
  out.client_address = "192.0.2.7";
  out.user = "client.test";
  out.site = "mansio";
  out.computer = "mx.ex.test";
  out.server_address = "192.0.2.1";
  out.server_port = 25;
  out.method = "MAIL";
  out.query = "FROM:<a@b.test> SIZE=12";
  out.status = 250;
  out.sent = 14;
  out.received = 31;
  out.taken = Duration(5);
  return out;
}

}  // namespace

TEST_CASE("a W3C log begins with its directives, and each line has the fields that they name") {
  W3cFormat format({});
  CHECK(format.header(some_time) ==
        "#Software: mansio\n#Version: 1.0\n#Date: 2025-11-20 14:03:20\n"
        "#Fields: date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status sc-win32-status "
        "sc-bytes cs-bytes time-taken cs-version cs-host cs(User-Agent) cs(Cookie) cs(Referer)\n");
  CHECK(format.line(some_exchange()) ==
        "2025-11-20 14:03:20 192.0.2.7 client.test mansio mx.ex.test 192.0.2.1 25 MAIL - +FROM:<a@b.test>+SIZE=12 250 0 14 31 5 SMTP - - - -\n");
}

TEST_CASE("what is not known is a dash") {
  Exchange empty;
  empty.time = some_time;
  CHECK(W3cFormat({}).line(empty) == "2025-11-20 14:03:20 - - - - - - - - - 0 0 0 0 0 SMTP - - - -\n");
}

TEST_CASE("the fields that were chosen come in the order in which they were named") {
  W3cFormat format({"sc-status", "cs-method", "time", "no-such-field"});
  CHECK(format.header(some_time).ends_with("#Fields: sc-status cs-method time no-such-field\n"));
  CHECK(format.line(some_exchange()) == "250 MAIL 14:03:20 -\n");
}

TEST_CASE("no value from outside makes a field or a line of its own") {
  struct Row {
    std::string value, text;
  };
  for (const auto& row : std::vector<Row>{{"a b", "a+b"}, {"a+b", "a%2Bb"}, {"50%", "50%25"}, {"a\r\nb", "a%0D%0Ab"}, {"a\tb", "a%09b"}, {std::string(1, '\0'), "%00"},
                                          {"b\xc3\xbc", "b%C3%BC"}, {"\x7f\xff", "%7F%FF"}, {"\"q\"", "%22q%22"}, {"-", "%2D"}, {"", "-"}, {"#x", "#x"}}) {
    Exchange one = some_exchange();
    one.user = row.value;
    CHECK(W3cFormat({"cs-username"}).line(one) == row.text + "\n");
  }
  Exchange one = some_exchange();
  one.query = std::string(100'000, 'x');
  CHECK(W3cFormat({"cs-uri-query"}).line(one) == "+" + std::string(1024, 'x') + "\n");
}
