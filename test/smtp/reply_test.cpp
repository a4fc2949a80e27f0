#include "smtp/reply.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "base/text.hpp"

using namespace mansio;
using namespace mansio::smtp;

TEST_CASE("the enhanced code stands on each line of a reply (R-009, R-103)") {
  CHECK(format_reply(Status(250, 1, 5, "OK")) == "250 2.1.5 OK\r\n");
  CHECK(format_reply(Status(550, 7, 1, "a\nb\r\nc")) == "550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n");
  CHECK(format_reply(Status(354, "go on")) == "354 go on\r\n");
  CHECK(format_reply(Status(250, 0, 0, "")) == "250 2.0.0 \r\n");
}

TEST_CASE("EHLO lists keywords, HELO is one line (R-020)") {
  std::vector<std::string> keywords{"PIPELINING", "SIZE 100"};
  CHECK(format_ehlo("mail.test", keywords) == "250-mail.test\r\n250-PIPELINING\r\n250 SIZE 100\r\n");
  CHECK(format_ehlo("mail.test", {}) == "250 mail.test\r\n");
}

TEST_CASE("reply lines are at most 512 octets and hold printable ASCII alone (R-017)") {
  for (std::string text : {std::string(5000, 'x'), std::string(5000, ' '), std::string(300, '\n'), std::string(2000, '\0'),
                           std::string("a\rb\x1b[31m\xc3\xa4"), std::string("\n\n\n"), std::string(100'000, '\xff')}) {
    std::string reply = format_reply(Status(550, 6, 0, text));
    REQUIRE(reply.ends_with("\r\n"));
    auto lines = split(std::string_view(reply).substr(0, reply.size() - 2), '\n');
    CHECK(lines.size() <= 201);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string_view line = lines[i];
      if (i + 1 < lines.size()) line.remove_suffix(1);
      CHECK(line.size() <= 510);
      CHECK(line.starts_with(i + 1 < lines.size() ? "550-5.6.0 " : "550 5.6.0 "));
      CHECK_FALSE(has_control(line));
      CHECK(is_ascii(line));
    }
  }
}
