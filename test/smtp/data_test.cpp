#include "smtp/data.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace mansio::smtp;

namespace {

struct Decoded {
  std::string content;
  std::size_t consumed = 0;
  bool ended = false, bare = false;
  std::uint64_t octets = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view wire, Framing framing, BareNewline mode, std::size_t piece) {
  DataDecoder decoder(framing, mode);
  Decoded out;
  std::vector<std::string_view> spans;
  while (out.consumed < wire.size() && !decoder.ended()) {
    spans.clear();
    out.consumed += decoder.feed(wire.substr(out.consumed, piece), spans);
    for (auto span : spans) out.content += span;
  }
  spans.clear();
  if (framing == Framing::chunks) decoder.finish(spans);
  for (auto span : spans) out.content += span;
  out.ended = decoder.ended();
  out.bare = decoder.bare_newline();
  out.octets = decoder.octets();
  return out;
}

// The same whatever the cuts.
Decoded dots(std::string_view wire, BareNewline mode = BareNewline::reject) {
  Decoded whole = decode(wire, Framing::dots, mode, wire.size() + 1);
  for (std::size_t piece = 1; piece < 8; ++piece) {
    INFO(piece);
    CHECK(decode(wire, Framing::dots, mode, piece) == whole);
  }
  return whole;
}

}  // namespace

TEST_CASE("dots are unstuffed and the data ends at CRLF.CRLF alone (R-053)") {
  struct { std::string wire, content; } rows[] = {
      {".\r\n", ""}, {"\r\n.\r\n", "\r\n"}, {"a\r\n.\r\n", "a\r\n"}, {"..\r\n.\r\n", ".\r\n"}, {"a\r\n..\r\n...\r\n.x\r\n.\r\n", "a\r\n.\r\n..\r\nx\r\n"},
      {"a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n"}, {std::string("a\0\x7f\t\v\xff\r\n.\r\n", 11), std::string("a\0\x7f\t\v\xff\r\n", 8)},
      {". \r\n.\r\n", " \r\n"}, {".\t\r\n.\r\n", "\t\r\n"}, {".\v\r\n.\r\n", "\v\r\n"}, {".\x85\r\n.\r\n", "\x85\r\n"},
      {"\xef\xbc\x8e\r\n.\r\n", "\xef\xbc\x8e\r\n"}, {"\xae\r\n.\r\n", "\xae\r\n"},
  };
  for (const auto& row : rows) {
    INFO(row.wire);
    Decoded out = dots(row.wire + "NEXT\r\n");
    CHECK(out.content == row.content);
    CHECK(out.octets == row.content.size());
    CHECK(out.consumed == row.wire.size());
    CHECK(out.ended);
    CHECK_FALSE(out.bare);
  }
}

TEST_CASE("no other form of newline ends the data, in either mode (S-059 to S-067, S-073)") {
  std::string attack = "MAIL FROM:<smug@evil.test>\r\nRCPT TO:<alice@ex.test>\r\nDATA\r\nx";
  struct { std::string variant, normalized; } rows[] = {
      {"\n.\n", "\r\n.\r\n"}, {"\r\n.\n", "\r\n\r\n"}, {"\n.\r\n", "\r\n.\r\n"}, {"\r.\r\n", "\r\n.\r\n"}, {"\r.\r", "\r\n.\r\n"}, {"\r\n.\r", "\r\n\r\n"},
      {"\r\r\n.\r\r\n", "\r\n\r\n\r\n\r\n"}, {"\r\n.\r\r\n", "\r\n\r\n\r\n"}, {"\n\r.\r\n", "\r\n\r\n.\r\n"}, {"\n..\r\n", "\r\n..\r\n"},
  };
  for (const auto& row : rows) {
    INFO(Catch::Detail::stringify(row.variant));
    std::string wire = "head" + row.variant + attack + "\r\n.\r\n";
    Decoded refused = dots(wire + "QUIT\r\n");
    CHECK(refused.ended);
    CHECK(refused.bare);
    CHECK(refused.consumed == wire.size());
    Decoded mended = dots(wire + "QUIT\r\n", BareNewline::normalize);
    CHECK(mended.ended);
    CHECK(mended.bare);
    CHECK(mended.consumed == wire.size());
    CHECK(mended.content == "head" + row.normalized + attack + "\r\n");
  }
}

TEST_CASE("a NUL neither adds nor eats an end (S-067)") {
  Decoded out = dots(std::string("a\0\r\n.\r\nrest", 11));
  CHECK(out.ended);
  CHECK(out.content == std::string("a\0\r\n", 4));
  out = dots(std::string("a\r\n.\0\r\n.\r\n", 10));
  CHECK(out.ended);
  CHECK(out.content == std::string("a\r\n\0\r\n", 6));
}

TEST_CASE("whole lines go by in one span of the input") {
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += "a line of text as mail has it\r\n";
  DataDecoder decoder(Framing::dots);
  std::vector<std::string_view> spans;
  decoder.feed(wire, spans);
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].data() == wire.data());
  CHECK(spans[0].size() == wire.size());
}

TEST_CASE("chunks keep dots and find bare newlines across cuts") {
  for (std::size_t piece : {1, 2, 3, 50}) {
    std::string good = ".\r\n..x\r\n.\r\nend";
    Decoded out = decode(good, Framing::chunks, BareNewline::reject, piece);
    CHECK(out.content == good);
    CHECK_FALSE(out.bare);
    CHECK_FALSE(out.ended);
    for (std::string bad : {"a\nb", "a\rb", "a\r", "\n", "\r\r\n"}) CHECK(decode(bad, Framing::chunks, BareNewline::reject, piece).bare);
    CHECK(decode("a\n.\rb\r", Framing::chunks, BareNewline::normalize, piece).content == "a\r\n.\r\nb\r\n");
    CHECK(decode("a\nb\rc\0", Framing::binary, BareNewline::reject, piece).content == "a\nb\rc");
    CHECK_FALSE(decode("a\nb\rc", Framing::binary, BareNewline::reject, piece).bare);
  }
}
