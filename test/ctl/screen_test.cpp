// What commands print for people. Standard output of the tests is no terminal, so there are no colours.
#include <catch2/catch.hpp>

#include "ctl/screen.hpp"

namespace mansio::ctl {

TEST_CASE("text from outside can't steer the terminal") {
  CHECK(show("a\x1b[31mb\nc", Look::bad) == "a\\x1b[31mb\\nc");
  CHECK(show("plain <a@b.test>") == "plain <a@b.test>");
}

TEST_CASE("columns are counted as a terminal shows them") {
  CHECK(columns_of("abc") == 3);
  CHECK(columns_of("\x1b[1mabc\x1b[0m") == 3);
  CHECK(columns_of("grüße") == 5);
  CHECK(columns_of("日本") == 4);
  CHECK(cut("grüße", 5) == "grüße");
  CHECK(cut("grüße an alle", 6) == "grüße…");
  CHECK(cut("\x1b[1mabcdef\x1b[0m", 4) == "\x1b[1mabc…\x1b[0m");
  CHECK(cut("日本", 3) == "日…");
}

TEST_CASE("a table lines up, and numbers stand to the right") {
  Table table({{"NAME"}, {"SIZE", Table::Align::right}, {"WHY"}});
  CHECK(table.text().empty());
  table.row({"a", "1", "first"});
  table.row({"grüße", "12345", ""});
  CHECK(table.text() ==
        "NAME    SIZE  WHY\n"
        "a          1  first\n"
        "grüße  12345\n");
}

TEST_CASE("ages, sizes and times are short") {
  struct Row { std::int64_t seconds; const char* text; };
  for (auto [seconds, text] : {Row{-5, "0s"}, Row{59, "59s"}, Row{60, "1m"}, Row{3599, "59m"}, Row{3600, "1h"}, Row{3700, "1h 1m"},
                               Row{86399, "23h 59m"}, Row{86400, "1d"}, Row{90000, "1d 1h"}, Row{864000, "10d"}}) {
    CHECK(age_text(seconds) == text);
  }
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(std::uint64_t{20} << 20) == "20 MiB");
  CHECK(when_text(100, 100) == "now");
  CHECK(when_text(160, 100) == "in 1m");
  CHECK(when_text(100, 3700) == "1h ago");
}

}  // namespace mansio::ctl
