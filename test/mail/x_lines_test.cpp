#include "mail/x_lines.hpp"

#include <catch2/catch.hpp>

using namespace mansio::mail;

TEST_CASE("X lines name the sender and each recipient, a line each") {
  CHECK(format_x_lines("anna@example.org", {"bert@example.com", "\"c d\"@example.net"}) ==
        "X-Sender: anna@example.org\r\nX-Receiver: bert@example.com\r\nX-Receiver: \"c d\"@example.net\r\n");
}

TEST_CASE("the null sender of X lines is <>, and no byte begins a new line") {
  CHECK(format_x_lines("", {"bert@example.com"}) == "X-Sender: <>\r\nX-Receiver: bert@example.com\r\n");
  CHECK(format_x_lines("a\r\nb@example.org", {}) == "X-Sender: a??b@example.org\r\n");
}

namespace {

const Domain& here() {
  static const Domain domain = *Domain::parse("ex.test");
  return domain;
}

std::string text_of(const std::vector<Address>& addresses) {
  std::string out;
  for (const Address& address : addresses) out += (out.empty() ? "" : " ") + address.text();
  return out;
}

}  // namespace

TEST_CASE("X lines are the envelope of a letter, and are not sent") {
  std::string text = "X-Sender: <anna@a.test>\r\nX-Receiver: bert@b.test\r\nx-receiver: Cora <cora@c.test>\r\nX-RECEIVER: dora\r\n"
                     "From: x@x.test\r\nTo: nobody@b.test\r\nBcc: hidden@b.test\r\nSubject: hello\r\n\r\nX-Receiver: in the body\r\n";
  auto letter = parse_letter(text, here(), 100);
  REQUIRE(letter);
  CHECK(letter->sender->text() == "anna@a.test");
  CHECK(text_of(letter->recipients) == "bert@b.test cora@c.test dora@ex.test");
  CHECK(letter->header == "From: x@x.test\r\nTo: nobody@b.test\r\nSubject: hello\r\n\r\n");
  CHECK(text.substr(letter->header_size) == "X-Receiver: in the body\r\n");
}

TEST_CASE("a letter without X lines has the envelope that its header names") {
  struct Row {
    const char* header;
    const char* sender;
    const char* recipients;
  };
  const Row rows[] = {
    {"From: a@a.test\r\nTo: b@b.test, C <c@c.test>\r\nCc: d@d.test\r\nBcc: e@e.test\r\n", "a@a.test", "b@b.test c@c.test d@d.test e@e.test"},
    {"From: a@a.test, b@a.test\r\nSender: s@a.test\r\nTo: b@b.test\r\n", "s@a.test", "b@b.test"},
    {"From: a@a.test\r\nSender: s@a.test\r\nTo: b@b.test\r\n", "s@a.test", "b@b.test"},
    {"From: a@a.test, b@a.test\r\nTo: b@b.test\r\n", "a@a.test", "b@b.test"},
    {"From: a@a.test\r\nTo: b@b.test\r\nResent-From: r@a.test\r\nResent-To: z@z.test\r\nResent-Bcc: y@z.test\r\n", "r@a.test", "z@z.test y@z.test"},
    {"To: b@b.test\r\n", "none", "b@b.test"},
    {"X-Sender: <>\r\nFrom: a@a.test\r\nTo: b@b.test\r\n", "<>", "b@b.test"},
    {"From: a@a.test\r\nX-Receiver: x@x.test\r\nTo: b@b.test\r\n", "a@a.test", "x@x.test"},
    {"From: a@a.test\r\nTo: b@B.test, b@b.TEST, B@b.test\r\n", "a@a.test", "b@B.test B@b.test"},
  };
  for (const Row& row : rows) {
    INFO(row.header);
    auto letter = parse_letter(std::string(row.header) + "\r\ntext\r\n", here(), 100);
    REQUIRE(letter);
    CHECK((!letter->names_sender ? "none" : letter->sender ? letter->sender->text() : "<>") == row.sender);
    CHECK(text_of(letter->recipients) == row.recipients);
  }
}

TEST_CASE("what cannot be sent is no letter, and the reason says why") {
  struct Row {
    const char* text;
    const char* why;
  };
  const Row rows[] = {
    {"", "no header"},
    {"\r\nTo: b@b.test\r\n", "no header"},
    {"hello world\r\n", "no header"},
    {"From: a@a.test\r\n\r\ntext", "no recipients"},
    {"From: a@a.test\r\nTo: undisclosed-recipients:;\r\n", "no recipients"},
    {"X-Sender: a@a.test\r\nX-Sender: b@a.test\r\nTo: b@b.test\r\n", "more than one X-Sender"},
    {"X-Sender: a@a.test, b@a.test\r\nTo: b@b.test\r\n", "X-Sender has more than one"},
    {"X-Receiver: \r\nTo: b@b.test\r\n", "X-Receiver without an address"},
    {"X-Receiver: a@@b\r\n", "X-Receiver: address list"},
    {"From: a@a.test\r\nTo: b@b.test, <broken\r\n", "To: address list"},
    {"X-Receiver: a@a.test, b@a.test, c@a.test, d@a.test\r\n", "4 recipients, which is more than limits.recipients (3)"},
    {"X-Sender: a\x01@a.test\r\nTo: b@b.test\r\n", "X-Sender"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    auto letter = parse_letter(row.text, here(), 3);
    REQUIRE(!letter);
    CHECK_THAT(letter.error().text(), Catch::Contains(row.why));
  }
}

TEST_CASE("the mark before UTF-8 and an mbox line are no part of a letter, and one that ends with its header is whole") {
  auto letter = parse_letter("\xef\xbb\xbfTo: b@b.test\r\n\r\ntext\r\n", here(), 3);
  REQUIRE(letter);
  CHECK(letter->header == "To: b@b.test\r\n\r\n");
  CHECK(letter->header_size == 3 + 14 + 2);
  letter = parse_letter("From anna Sun Nov 22 10:00:00 2026\r\nTo: b@b.test\r\nSubject: x", here(), 3);
  REQUIRE(letter);
  CHECK(letter->header == "To: b@b.test\r\nSubject: x\r\n\r\n");
}
