#include "mail/header.hpp"

#include <catch2/catch.hpp>

using namespace mansio::mail;

namespace {

HeaderScanner scan(std::string_view text, std::size_t piece) {
  HeaderScanner scanner;
  for (std::size_t at = 0; at < text.size(); at += piece) scanner.feed(text.substr(at, piece));
  scanner.finish();
  return scanner;
}

}  // namespace

TEST_CASE("fields are found with folding, offsets and the body") {
  std::string text = "Subject: a\r\n b\r\nTo :x\r\n\r\nBody: no\r\n";
  HeaderReader reader(text);
  auto first = reader.next();
  REQUIRE(first);
  CHECK(first->name == "Subject");
  CHECK(first->value == " a\r\n b");
  CHECK(first->raw == "Subject: a\r\n b\r\n");
  auto second = reader.next();
  REQUIRE(second);
  CHECK(second->name == "To");
  CHECK(second->offset == 16);
  CHECK_FALSE(reader.next());
  CHECK(reader.has_separator());
  CHECK(text.substr(reader.body_offset()) == "Body: no\r\n");
  CHECK(unfold(first->value) == "a b");
}

TEST_CASE("where the header ends, whatever came (S-031)") {
  struct { std::string text; std::size_t fields, body; bool separator; } rows[] = {
      {"", 0, 0, false}, {"\r\n", 0, 2, true}, {"just text\r\n", 0, 0, false}, {" A: b\r\nC: d\r\n", 0, 0, false},
      {"From x@y Thu Jan 1 00:00:00 2026\r\nA: b\r\n\r\n", 0, 0, false}, {"A: b\r\nno field\r\n", 1, 6, false},
      {"A: b\r\n", 1, 6, false}, {"A: b", 1, 4, false}, {"A: b\n\nbody", 1, 6, true}, {": x\r\n", 0, 0, false},
      {"A: b\r\n \r\nC: d\r\n\r\n", 2, 17, true}, {"A: b\r\n\r", 1, 6, false},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    HeaderReader reader(row.text);
    std::size_t fields = 0;
    while (reader.next()) ++fields;
    CHECK(fields == row.fields);
    CHECK(reader.body_offset() == row.body);
    CHECK(reader.has_separator() == row.separator);
    for (std::size_t piece : {1, 2, 3, 100}) CHECK(scan(row.text, piece).header_size() == row.body);
  }
}

TEST_CASE("Received is counted in the header alone, in any case, folded or with a blank before the colon (S-139)") {
  std::string text = "Received: a\r\n\tReceived: folded\r\nRECEIVED:b\r\nReceived : c\r\nX-Received: d\r\n\r\nReceived: body\r\n";
  for (std::size_t piece : {1, 3, 7, 1000}) CHECK(scan(text, piece).received_count() == 3);
}

TEST_CASE("Message-ID and Delivered-To come out unfolded, from any cuts") {
  std::string text = "Message-ID:\r\n <a@b>\r\nDelivered-To: x@y\r\nDelivered-To:  z@y \r\nMessage-ID: <second>\r\nDate: d\r\n\r\nbody";
  for (std::size_t piece : {1, 2, 5, 1000}) {
    auto scanner = scan(text, piece);
    CHECK(scanner.message_id() == "<a@b>");
    CHECK(scanner.delivered_to() == std::vector<std::string>{"x@y", "z@y"});
    CHECK(scanner.count(KnownField::date) == 1);
    CHECK(scanner.copy() == text.substr(0, text.size() - 4));
  }
}

TEST_CASE("a header that never ends keeps memory bounded (S-029)") {
  HeaderScanner scanner(1000);
  scanner.feed("Delivered-To: x\r\n");
  std::string chunk;
  for (int i = 0; i < 10000; ++i) chunk += " a\r\n";
  for (int i = 0; i < 200; ++i) scanner.feed(chunk);
  for (int i = 0; i < 5000; ++i) scanner.feed("Delivered-To: x\r\nReceived: y\r\n");
  scanner.feed(std::string(100'000, 'z'));
  scanner.finish();
  CHECK(scanner.copy().size() == 1000);
  CHECK(scanner.delivered_to().size() == 1000);
  CHECK(scanner.delivered_to()[0].size() <= 1000);
  CHECK(scanner.received_count() == 5000);
}

TEST_CASE("a field may be put before content only when it begins like a header") {
  auto begins = [](std::string_view text) { return begins_like_header(text, true); };
  CHECK(begins("") == true);
  CHECK(begins("A: b\r\n") == true);
  CHECK(begins("\r\nbody") == true);
  CHECK(begins(" folded\r\n") == false);
  CHECK(begins("From x@y Thu 1:2\r\n") == false);
  CHECK(begins("text") == false);
  CHECK(begins_like_header("Subj", false) == std::nullopt);
  CHECK(begins_like_header("Subj :", false) == true);
  CHECK(begins_like_header("", false) == std::nullopt);
  CHECK(begins_like_header("\r", false) == std::nullopt);
  CHECK(begins_like_header(std::string(1000, 'a'), false) == false);
  CHECK(mbox_line_length("From x\r\nA: b\r\n") == 8);
  CHECK(mbox_line_length("From: x\r\n") == 0);
}
