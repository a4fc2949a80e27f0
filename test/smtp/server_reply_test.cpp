#include "smtp/server_reply.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "smtp/capabilities.hpp"

namespace mansio::smtp {
namespace {

struct Parsed {
  int code = 0;
  std::string text;
  std::size_t used = 0;
  bool done = false, malformed = false;
  bool operator==(const Parsed&) const = default;
};

Parsed parse(std::string_view wire, std::size_t piece) {
  ReplyParser parser;
  Parsed out;
  while (out.used < wire.size() && !parser.done() && !parser.malformed()) out.used += parser.feed(wire.substr(out.used, piece));
  out.done = parser.done();
  out.malformed = parser.malformed();
  ServerReply reply = out.done ? parser.take() : ServerReply();
  out.code = reply.code;
  out.text = reply.text;
  return out;
}

// The same whatever the cuts.
Parsed parse(std::string_view wire) {
  Parsed whole = parse(wire, wire.size() + 1);
  for (std::size_t piece = 1; piece < 6; ++piece) {
    INFO(piece);
    CHECK(parse(wire, piece) == whole);
  }
  return whole;
}

std::string status_line(std::string_view wire) {
  ReplyParser parser;
  parser.feed(wire);
  REQUIRE(parser.done());
  return parser.take().status().line();
}

}  // namespace

TEST_CASE("replies are read up to their last line, and not further (R-013, R-014, R-017)") {
  struct { std::string wire; int code; std::string text; } rows[] = {
      {"250 ok\r\n", 250, "ok"}, {"250\r\n", 250, ""}, {"250 \r\n", 250, ""}, {"250-a\r\n250-b\r\n250 c\r\n", 250, "a\nb\nc"},
      {"250-\r\n250\r\n", 250, ""}, {"250-a\r\n251 b\r\n", 251, "a\nb"}, {"250\tok\r\n", 250, "ok"}, {"599 x\r\n", 599, "x"}, {"277  y\r\n", 277, " y"},
      {"550 a\nb\r\n", 550, "a?b"}, {"550 a\rb\r\n", 550, "a?b"}, {"550 a\r\r\n", 550, "a?"}, {"550 a\x1b[0m\x7f\tb\r\n", 550, "a?[0m? b"},
      {std::string("550 a\0b\r\n", 9), 550, "a?b"}, {"550 j\xc3\xb6\r\n", 550, "j\xc3\xb6"}, {"550 \xff j\xc3\xb6\r\n", 550, "? j??"},
      {"550 " + std::string(5000, 'x') + "\r\n", 550, std::string(1024, 'x')},
  };
  for (const auto& row : rows) {
    INFO(escape(row.wire));
    Parsed out = parse(row.wire + "250 next\r\n");
    CHECK(out.done);
    CHECK_FALSE(out.malformed);
    CHECK(out.code == row.code);
    CHECK(out.text == row.text);
    CHECK(out.used == row.wire.size());
  }
}

TEST_CASE("what is no reply is known as such (R-016)") {
  for (std::string wire : {"\r\n", "25\r\n", "2x0 ok\r\n", "hello\r\n", "150 ok\r\n", "650 ok\r\n", "099 ok\r\n", "250ok\r\n", "2500 ok\r\n", "250-a\r\n550 b\r\n",
                           "250-a\r\nb\r\n", " 250 ok\r\n", "-250 ok\r\n", "250+ok\r\n"}) {
    INFO(escape(wire));
    Parsed out = parse(wire);
    CHECK(out.malformed);
    CHECK_FALSE(out.done);
  }
  for (std::string wire : {"250 ok", "250 ok\r", "250 ok\n", "250-ok\r\n", ""}) {
    INFO(escape(wire));
    Parsed out = parse(wire);
    CHECK_FALSE(out.malformed);
    CHECK_FALSE(out.done);
  }
}

TEST_CASE("lines, their number and the whole are bounded (S-019)") {
  std::string many;
  for (int i = 0; i < 200; ++i) many += "550-" + std::to_string(i) + "\r\n";
  Parsed out = parse(many + "550 end\r\n");
  CHECK(out.done);
  CHECK(out.text.ends_with("\n127"));
  out = parse("250 " + std::string(64 << 10, 'a') + "\r\n250 next\r\n");
  CHECK(out.done);
  CHECK(out.used == (64 << 10) + 6);
  CHECK(out.text.size() == ReplyParser::text_limit);
  // A character cut by the bound is left out.
  out = parse("250 " + std::string(1023, 'a') + "\xc3\xb6\r\n");
  CHECK(out.text == std::string(1023, 'a'));
  std::string endless(2 << 20, 'a');
  out = parse("250 " + endless, 4096);
  CHECK(out.malformed);
  out = parse("250-" + endless, 4096);
  CHECK(out.malformed);
  std::string lines;
  while (lines.size() < (2 << 20)) lines += "250-a\r\n";
  out = parse(lines, 4096);
  CHECK(out.malformed);
}

TEST_CASE("the enhanced code is used when it fits the reply, else x.0.0 (R-104)") {
  CHECK(status_line("550 5.1.1 no such user\r\n") == "550 5.1.1 no such user");
  CHECK(status_line("550-5.1.1 no such\r\n550 5.1.1 user\r\n") == "550 5.1.1 no such user");
  CHECK(status_line("550-5.1.1 no such\r\n550 5.1.2 user\r\n") == "550 5.1.1 no such 5.1.2 user");
  CHECK(status_line("550-5.1.1 no such\r\n550 user\r\n") == "550 5.1.1 no such user");
  CHECK(status_line("550 5.1.1\r\n") == "550 5.1.1 ");
  CHECK(status_line("550 4.1.1 no\r\n") == "550 5.0.0 4.1.1 no");
  CHECK(status_line("450 2.1.1 no\r\n") == "450 4.0.0 2.1.1 no");
  CHECK(status_line("550 no\r\n") == "550 5.0.0 no");
  CHECK(status_line("250\r\n") == "250 2.0.0 ");
  CHECK(status_line("550 5.1 no\r\n") == "550 5.0.0 5.1 no");
  CHECK(status_line("550 5.1.1, no\r\n") == "550 5.0.0 5.1.1, no");
  CHECK(status_line("550 5.1111.1 no\r\n") == "550 5.0.0 5.1111.1 no");
  CHECK(status_line("550 5.999.999 no\r\n") == "550 5.999.999 no");
  CHECK(status_line("550 3.1.1 no\r\n") == "550 5.0.0 3.1.1 no");
}

TEST_CASE("what EHLO offers is read, in any case, and nonsense is ignored (R-026, R-184)") {
  Capabilities all = parse_capabilities(
      "server.test greets PIPELINING\nPIPELINING\nchunking\nBinaryMime\n8BITMIME\nSMTPUTF8\nDSN\nSTARTTLS\nSIZE 52428800\n"
      "LIMITS RCPTMAX=100 mailmax=20 RCPTDOMAINMAX=1 X=9\nAUTH PLAIN login PLAIN\nHELP\n\nX-UNKNOWN a b");
  CHECK(all.esmtp);
  CHECK((all.pipelining && all.chunking && all.binarymime && all.eight_bit && all.smtputf8 && all.dsn && all.starttls && all.size));
  CHECK(all.size_limit == 52428800);
  CHECK(all.rcpt_max == 100);
  CHECK(all.mail_max == 20);
  CHECK(all.rcpt_domain_max == 1);
  CHECK(all.auth == std::vector<std::string>{"PLAIN", "LOGIN"});

  Capabilities none = parse_capabilities("PIPELINING SIZE 5");     // the first line greets
  CHECK_FALSE((none.pipelining || none.size));
  CHECK(parse_capabilities("").esmtp);

  Capabilities odd = parse_capabilities(
      "x\nSIZE 99999999999999999999999\nPIPELININGX\n PIPELINING\nBINARYMIME\nLIMITS RCPTMAX MAILMAX= RCPTDOMAINMAX=01\nLIMITS RCPTMAX=1000000 MAILMAX=-1 =5");
  CHECK(odd.size);
  CHECK(odd.size_limit == 0);
  CHECK(odd.pipelining);
  CHECK_FALSE(odd.binarymime);        // RFC 3030 §3: not without CHUNKING
  CHECK((odd.rcpt_max == 0 && odd.mail_max == 0 && odd.rcpt_domain_max == 0));
  CHECK(parse_capabilities("x\nSIZE").size_limit == 0);
  CHECK(parse_capabilities("x\nSIZE 0").size_limit == 0);
  CHECK(parse_capabilities("x\nLIMITS RCPTMAX=999999").rcpt_max == 999999);
}

}  // namespace mansio::smtp
