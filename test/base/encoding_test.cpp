#include <catch2/catch.hpp>

#include "base/bytes.hpp"
#include "base/encoding.hpp"

namespace mansio {

using namespace std::string_literals;

TEST_CASE("base64 gives the vectors of RFC 4648 and reads them back") {
  const std::pair<std::string, std::string> rows[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\0user\0pass"s, "AHVzZXIAcGFzcw=="}, {"\xff\xfe\xfd", "//79"}};
  for (auto& [plain, coded] : rows) {
    CHECK(base64_encode(plain) == coded);
    CHECK(base64_decode(coded).value() == plain);
  }
}

TEST_CASE("base64 is strict") {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm9v=", "Zm9vZg", "Zg==Zm9v", "Zm 9", "Zm9v\r\n", "Zm-_", "=Zg=", "Zg=a", "\xff\xff\xff\xff"}) {
    INFO(bad);
    CHECK_FALSE(base64_decode(bad).has_value());
  }
  CHECK_FALSE(base64_decode("Zm\0v"s).has_value());
}

TEST_CASE("xtext escapes what RFC 3461 wants escaped and refuses it unescaped") {
  CHECK(xtext_encode("a+b=c d\x7f\n\xff!~") == "a+2Bb+3Dc+20d+7F+0A+FF!~");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  CHECK(xtext_decode(xtext_encode(all)).value() == all);
  CHECK(xtext_decode("+2B").value() == "+");
  for (const char* bad : {"+", "+2", "a+2", "+2b", "+G0", "a b", "a=b", "\x7f", "\xc3\xa9", "+-1", "a\nb"}) {
    INFO(bad);
    CHECK_FALSE(xtext_decode(bad).has_value());
  }
}

TEST_CASE("hexadecimal and base62 read back") {
  for (std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{61}, std::uint64_t{62}, std::uint64_t{0xdeadbeef}, UINT64_MAX}) {
    CHECK(hex_decode(hex_encode(value)) == value);
    CHECK(base62_decode(base62_encode(value, 11)) == value);
  }
  CHECK(hex_encode(0xABCDEF) == "0000000000abcdef");
  CHECK(base62_encode(61 * 62 + 10, 4) == "00zA");
  for (const char* bad : {"", "g", "12345678901234567", "0x1", " 1"}) CHECK_FALSE(hex_decode(bad).has_value());
  for (const char* bad : {"-", "a b", "zzzzzzzzzzz", "\xff", "100000000000"}) CHECK_FALSE(base62_decode(bad).has_value());
}

TEST_CASE("a checksum over pieces is the one over the whole") {
  std::string bytes(100000, 'x');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 256);
  Checksum sum(7);
  std::string_view rest = bytes;
  for (std::size_t n = 1; !rest.empty(); n = n * 2 + 1) {
    auto piece = rest.substr(0, n);
    sum.update(piece);
    rest.remove_prefix(piece.size());
  }
  CHECK(sum.value() == checksum(bytes, 7));
  CHECK(sum.value() != checksum(bytes, 8));
}

}  // namespace mansio
