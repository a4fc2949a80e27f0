#include "mail/pickup.hpp"

#include <catch2/catch.hpp>

#include "base/bytes.hpp"

namespace mansio::mail {
namespace {

Envelope pickup_envelope() {
  Envelope envelope;
  envelope.sender = *Address::parse("ann@example.org");
  envelope.recipients.emplace_back(*Address::parse("bob@example.org"));
  envelope.protocol = "local";
  return envelope;
}

std::string pickup_file(std::string_view content) {
  std::string file = format_pickup_head(pickup_envelope()) + std::string(content);
  return file + format_pickup_trailer(file.size(), checksum(file));
}

TEST_CASE("a pickup file gives back envelope and content") {
  for (std::string content : {std::string(), std::string("Subject: x\r\n\r\nmansio-end 1 2\n"), std::string(100000, 'x')}) {
    std::string file = pickup_file(content);
    auto pickup = parse_pickup(file);
    REQUIRE(pickup);
    CHECK(pickup->content == content);
    CHECK(pickup->envelope.sender_text() == "ann@example.org");
    REQUIRE(pickup->envelope.recipients.size() == 1);
    CHECK(pickup->envelope.recipients[0].address.text() == "bob@example.org");
    auto length = parse_pickup_line(std::string_view(file).substr(0, pickup_line_size));
    REQUIRE(length);
    CHECK(file.substr(pickup_line_size + *length, content.size()) == content);
  }
}

TEST_CASE("the form of a pickup file") {
  std::string file = pickup_file("hi\r\n");
  CHECK(file.starts_with("mansio-pickup 1 0000000000000000"));
  CHECK(file[pickup_line_size - 1] == '\n');
  CHECK(format_pickup_trailer(12, 0xab) == "mansio-end 00000000000000000012 00000000000000ab\n");
  CHECK(format_pickup_trailer(UINT64_MAX, UINT64_MAX).size() == pickup_trailer_size);
}

TEST_CASE("a pickup file cut short or changed anywhere is refused") {
  std::string file = pickup_file("Subject: x\r\n\r\nhello\r\n");
  for (std::size_t n = 0; n < file.size(); ++n) {
    INFO(n);
    CHECK_FALSE(parse_pickup(file.substr(0, n)));
    std::string changed = file;
    changed[n] = static_cast<char>(changed[n] ^ 1);
    CHECK_FALSE(parse_pickup(changed));
  }
  CHECK_FALSE(parse_pickup(file + "x"));
}

}  // namespace
}  // namespace mansio::mail
