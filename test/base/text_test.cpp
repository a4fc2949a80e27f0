#include <catch2/catch.hpp>

#include "base/text.hpp"

namespace mansio {

using namespace std::string_literals;

TEST_CASE("control bytes, backslashes and what is no UTF-8 are escaped") {
  const std::pair<std::string, std::string> rows[] = {
      {"", ""}, {"plain text", "plain text"}, {"a\\b", "a\\\\b"}, {"\r\n\t\0"s, "\\r\\n\\t\\0"}, {"\x01\x1f\x7f", "\\x01\\x1f\\x7f"},
      {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"}, {"\xff", "\\xff"}, {"\xc3", "\\xc3"}, {"\xc3(", "\\xc3("}, {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
      {"\xc2\x9b", "\\xc2\\x9b"}, {"\xc2\xa0", "\xc2\xa0"}, {"\x1b[31m", "\\x1b[31m"}};
  for (auto& [in, out] : rows) CHECK(escape(in) == out);
}

TEST_CASE("an escaped text is never longer than its limit and three dots") {
  CHECK(escape("abcdef", 6) == "abcdef");
  CHECK(escape("abcdefg", 6) == "abcdef...");
  CHECK(escape("abcde\xff", 6) == "abcde...");
  CHECK(escape("abcde\xc3\xa9", 6) == "abcde...");
  for (std::size_t limit = 0; limit < 40; ++limit) CHECK(escape(std::string(50, '\x01'), limit).size() <= limit + 3);
}

TEST_CASE("UTF-8 is what RFC 3629 says") {
  for (const char* good : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  CHECK(is_utf8("a\0b"s));
  for (const char* bad : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82",
                          "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x90\x80", "\xff", "\xfe", "a\xc3"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("numbers are digits and fit in 64 bits") {
  CHECK(parse_number("0") == 0);
  CHECK(parse_number("007") == 7);
  CHECK(parse_number("18446744073709551615") == UINT64_MAX);
  for (const char* bad : {"", "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "0x1", "1.0"}) CHECK_FALSE(parse_number(bad).has_value());
}

TEST_CASE("case and blanks are those of ASCII") {
  CHECK(to_lower("ABC\xc3\x89@[`") == "abc\xc3\x89@[`");
  CHECK(iequals("HeLo", "hElO"));
  CHECK_FALSE(iequals("a", "ab"));
  CHECK_FALSE(iequals("@", "`"));
  CHECK(istarts_with("Subject: x", "SUBJECT:"));
  CHECK_FALSE(istarts_with("Sub", "Subject"));
  CHECK(trim(" \t\r\nx y\r\n") == "x y");
  CHECK(trim(" \t").empty());
  CHECK(split("a::b:", ':') == std::vector<std::string_view>{"a", "", "b", ""});
  CHECK(split("", ':') == std::vector<std::string_view>{""});
}

TEST_CASE("the nearest word is suggested, a far one is not") {
  std::vector<std::string> words{"spool_directory", "listen", "relay_domains", "log"};
  CHECK(nearest("spool_directry", words) == "spool_directory");
  CHECK(nearest("LISTEN", words) == "listen");
  CHECK(nearest("relay_domain", words) == "relay_domains");
  CHECK(nearest("lgo", words) == std::nullopt);
  CHECK(nearest("completely_else", words) == std::nullopt);
  CHECK(nearest("", words) == std::nullopt);
}

}  // namespace mansio
