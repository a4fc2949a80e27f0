#include "mail/envelope.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace mansio;
using namespace mansio::mail;

namespace {

Envelope full_envelope() {
  Envelope e;
  e.sender = *Address::parse("\"a\\\\b c\"@example.org");
  e.received = Time(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  e.body = Body::binary;
  e.ret = Return::headers;
  e.smtputf8 = true;
  e.envid = "QQ+2B1";
  e.auth = "<>";
  e.helo = "x\nrecipient: evil@example.org";
  e.client_name = std::string("a\0\r\x1b\\x0a", 8);
  e.client_address = "192.0.2.1";
  e.client_port = 65535;
  e.protocol = "ESMTP";
  e.user = "\xff\xfe";
  e.reply_to_id = "1abc";
  e.recipients.emplace_back(*Address::parse("bob@example.net"));
  e.recipients.back().orcpt = "rfc822;bob@example.net";
  e.recipients.back().notify = Notify::success | Notify::delay;
  e.recipients.emplace_back(*Address::parse("\xc3\xa4@example.net"));
  e.recipients.back().notify = Notify::never;
  return e;
}

}  // namespace

TEST_CASE("an envelope with every field and hostile bytes survives its text form") {
  Envelope e = full_envelope();
  std::string text = format_envelope(e);
  CHECK(text.starts_with("mansio-envelope 1\nreceived: 1700000000.123456789\nsender: \"a\\x5c\\x5cb c\"@example.org\n"));
  CHECK(text.ends_with("recipient: \xc3\xa4@example.net\nnotify: never\n\n"));
  auto back = parse_envelope(text);
  REQUIRE(back);
  CHECK(back->helo == e.helo);
  CHECK(back->client_name == e.client_name);
  CHECK(back->user == e.user);
  CHECK(back->received == e.received);
  CHECK(back->sender->text() == e.sender->text());
  CHECK(back->body == Body::binary);
  CHECK(back->ret == Return::headers);
  CHECK(back->smtputf8);
  CHECK(back->client_port == 65535);
  REQUIRE(back->recipients.size() == 2);
  CHECK(back->recipients[0].notify == (Notify::success | Notify::delay));
  CHECK(back->recipients[0].orcpt == "rfc822;bob@example.net");
  CHECK(back->recipients[1].orcpt.empty());
  CHECK(format_envelope(*back) == text);
}

TEST_CASE("the null sender and an empty envelope survive") {
  std::string text = format_envelope(Envelope());
  CHECK(text == "mansio-envelope 1\nreceived: 0.000000000\nsender: \n\n");
  auto back = parse_envelope(text);
  REQUIRE(back);
  CHECK_FALSE(back->sender);
}

TEST_CASE("a text that format_envelope would not write is refused") {
  std::string head = "mansio-envelope 1\nreceived: 0.000000000\nsender: \n";
  REQUIRE(parse_envelope(head + "\n"));
  for (std::string tail : {"", "body: x\n\n", "smtputf8: no\n\n", "colour: red\n\n", "ret: full\nbody: 7bit\n\n", "envid: \n\n",
                           "helo: a\nhelo: b\n\n", "recipient: bob\n\n", "recipient: a@b.test", "recipient: a@b.test\n", "\nx",
                           "orcpt: x\n\n", "notify: never\n\n", "recipient: a@b.test\nnotify: never,delay\n\n",
                           "recipient: a@b.test\nnotify: never\norcpt: rfc822;x\n\n", "helo: \\x41\n\n", "helo: \\x4\n\n",
                           "helo: a\\\n\n", "helo: a\rb\n\n", "client-port: 0\n\n", "client-port: 70000\n\n", "client-port: 025\n\n",
                           "received: 0.000000000\n\n", "helo:a\n\n", "recipient: \"a\"@b.test\n\n", "helo: \\xff\xc3\xa4\n\n"}) {
    INFO(tail);
    CHECK_FALSE(parse_envelope(head + tail));
  }
  CHECK_FALSE(parse_envelope("mansio-envelope 2\nreceived: 0.000000000\nsender: \n\n"));
  CHECK_FALSE(parse_envelope("mansio-envelope 1\n\n"));
  CHECK_FALSE(parse_envelope(""));
  CHECK_FALSE(parse_envelope("mansio-envelope 1\nreceived: 9999999999999.000000000\nsender: \n\n"));
}

TEST_CASE("every cut of an envelope is refused") {
  std::string text = format_envelope(full_envelope());
  for (std::size_t n = 0; n < text.size(); ++n) CHECK_FALSE(parse_envelope(std::string_view(text).substr(0, n)));
}

TEST_CASE("twenty thousand recipients are read in linear time") {
  Envelope e;
  for (int i = 0; i < 20000; ++i) e.recipients.emplace_back(*Address::parse("user" + std::to_string(i) + "@example.org"));
  auto back = parse_envelope(format_envelope(e));
  REQUIRE(back);
  CHECK(back->recipients.size() == 20000);
  CHECK(back->recipients.back().address.text() == "user19999@example.org");
}
