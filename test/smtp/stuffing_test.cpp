#include "smtp/stuffing.hpp"

#include <catch2/catch.hpp>

#include <random>

#include "base/text.hpp"
#include "smtp/data.hpp"

namespace mansio::smtp {
namespace {

// As it goes on the wire; "bare" when it may not.
std::string stuffed(std::string_view content, std::size_t piece) {
  Stuffing stuffing;
  std::string out;
  for (std::size_t i = 0; i < content.size(); i += piece) {
    if (!stuffing.stuff(content.substr(i, piece), out)) return "bare";
  }
  if (!stuffing.whole()) return "bare";
  stuffing.finish(out);
  return out;
}

bool clean(std::string_view content, std::size_t piece) {
  Stuffing stuffing;
  for (std::size_t i = 0; i < content.size(); i += piece) {
    if (!stuffing.check(content.substr(i, piece))) return false;
  }
  return stuffing.whole();
}

}  // namespace

TEST_CASE("dots are stuffed and the end is added, whatever the cuts (R-053, R-055)") {
  struct { std::string content, wire; } rows[] = {
      {"", ".\r\n"}, {"\r\n", "\r\n.\r\n"}, {"a", "a\r\n.\r\n"}, {"a\r\n", "a\r\n.\r\n"}, {".", "..\r\n.\r\n"}, {".\r\n", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"}, {"a.b\r\n.x\r\n..y", "a.b\r\n..x\r\n...y\r\n.\r\n"}, {"a\r\n.", "a\r\n..\r\n.\r\n"},
      {"\r\n\r\n.\r\n\r\n", "\r\n\r\n..\r\n\r\n.\r\n"}, {std::string("\0.\r\n.\0", 6), std::string("\0.\r\n..\0\r\n.\r\n", 12)},
  };
  for (const auto& row : rows) {
    INFO(escape(row.content));
    for (std::size_t piece = 1; piece < 9; ++piece) CHECK(stuffed(row.content, piece) == row.wire);
    for (std::size_t piece = 1; piece < 9; ++piece) CHECK(clean(row.content, piece));
  }
}

TEST_CASE("no bare CR or LF gets through, whatever the cuts (R-002)") {
  for (std::string content : {"\n", "\r", "a\nb", "a\rb", "a\r", "a\n", "\r\r\n", "\n\r\n", "a\r\n\n", "a\r\n\r", "a\r\n.\r\r\n", "\r\n\r\r\n", "a\n.\r\n", "a\r.\r\n",
                              "\r\n.\n"}) {
    INFO(escape(content));
    for (std::size_t piece = 1; piece < 9; ++piece) CHECK(stuffed(content, piece) == "bare");
    for (std::size_t piece = 1; piece < 9; ++piece) CHECK_FALSE(clean(content, piece));
  }
}

TEST_CASE("what a server reads from the wire is the content") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string content;
    for (std::size_t n = random() % 60; n > 0; --n) {
      constexpr std::string_view bits[] = {"\r\n", ".", "a", "..", "\r\n.", "bcd"};
      content += bits[random() % 6];
    }
    std::string wire = stuffed(content, 1 + random() % 9);
    DataDecoder decoder(Framing::dots);
    std::vector<std::string_view> spans;
    std::size_t used = decoder.feed(wire, spans);
    std::string read;
    for (auto span : spans) read += span;
    bool line = content.empty() || content.ends_with("\r\n");
    INFO(escape(content));
    REQUIRE(read == content + (line ? "" : "\r\n"));
    REQUIRE(used == wire.size());
    REQUIRE((decoder.ended() && !decoder.bare_newline()));
  }
}

}  // namespace mansio::smtp
