#include "sendmail_message.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"

namespace mansio::sendmail {
namespace {

MessageOptions defaults() {
  MessageOptions options(*mail::Domain::parse("example.org"), "mail.example.org");
  options.from = "root <root@example.org>";
  options.now = std::chrono::system_clock::from_time_t(1700000000);
  options.unique = "abc";
  return options;
}

struct Built {
  Result<> result;
  std::string content;
  std::vector<std::string> recipients;
  bool eight_bit, ended;
  std::string mbox_sender;
};

Built build(std::string_view in, MessageOptions options = defaults(), std::size_t piece = 0) {
  MessageBuilder builder(std::move(options));
  std::string out;
  Result<> done;
  if (piece == 0) piece = std::max<std::size_t>(in.size(), 1);
  for (std::size_t at = 0; done && at < in.size(); at += piece) done = builder.feed(in.substr(at, piece), out);
  if (done) done = builder.finish(out);
  Built built{done, out, {}, builder.has_eight_bit(), builder.ended(), builder.mbox_sender()};
  for (const mail::Address& address : builder.recipients()) built.recipients.push_back(address.text());
  return built;
}

MessageOptions extracting() {
  MessageOptions options = defaults();
  options.extract = true;
  return options;
}

const std::string whole = "From: a@x\r\nDate: d\r\nMessage-ID: <m>\r\n";

TEST_CASE("line ends become CRLF, however they come and wherever the input is cut") {
  struct Row {
    std::string in, out;
  };
  for (const Row& row : {Row{"a\nb\n", "a\r\nb\r\n"}, {"a\r\nb\r\n", "a\r\nb\r\n"}, {"a\rb\r", "a\r\nb\r\n"}, {"a\r\r\nb", "a\r\nb\r\n"},
                         {"", ""}, {"\n", "\r\n"}, {"a", "a\r\n"}, {".x\n..\n. \n", ".x\r\n..\r\n. \r\n"}, {"a\n.", "a\r\n"}}) {
    for (std::size_t piece : {1, 2, 3, 100}) {
      INFO(row.in << " in pieces of " << piece);
      CHECK(build(whole + "\n" + row.in, defaults(), piece).content == whole + "\r\n" + row.out);
    }
  }
}

TEST_CASE("a lone dot ends the message, with -i it doesn't") {
  Built dot = build(whole + "\na\n.\nb\n");
  CHECK(dot.content == whole + "\r\na\r\n");
  CHECK(dot.ended);
  CHECK(build(whole + "\na\r\n.\r\nb\n").content == whole + "\r\na\r\n");
  MessageOptions options = defaults();
  options.dot_ends = false;
  CHECK(build(whole + "\na\n.\nb\n.", options).content == whole + "\r\na\r\n.\r\nb\r\n.\r\n");
}

TEST_CASE("NUL is refused, in header and body") {
  CHECK(build(std::string("To: a\0b\n\n", 9)).result.error().fault() == Fault::invalid);
  CHECK(build(whole + "\n" + std::string("x\0y", 3)).result.error().fault() == Fault::invalid);
}

TEST_CASE("missing Date, From and Message-ID are added at the end of the header") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  CHECK(build("Subject: x\n\nhello\n").content ==
        "Subject: x\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: root <root@example.org>\r\n"
        "Message-ID: <20231114221320.abc@mail.example.org>\r\n\r\nhello\r\n");
  CHECK(build(whole + "\nhello\n").content == whole + "\r\nhello\r\n");
  CHECK(build("FROM : a@x\ndate: d\nmessage-id: <m>\n\n").content == "FROM : a@x\r\ndate: d\r\nmessage-id: <m>\r\n\r\n");
  std::string resent = build(whole + "Resent-To: b@y\n\n").content;
  CHECK(resent.find("\r\nResent-Date: ") != std::string::npos);
  CHECK(resent.find("\r\nResent-From: ") != std::string::npos);
  CHECK(resent.find("\r\nResent-Message-ID: ") != std::string::npos);
}

TEST_CASE("text without a header gets one") {
  for (std::string in : {"hello world\nTo: x@y\n", "\nhello world\nTo: x@y\n"}) {
    std::string content = build(in, extracting()).content;
    CHECK(content.starts_with("Date: "));
    CHECK(content.ends_with("\r\n\r\nhello world\r\nTo: x@y\r\n"));
    CHECK(build(in, extracting()).recipients.empty());
  }
  std::string content = build("Subject: x\nno field here\n").content;
  CHECK(content.ends_with("\r\n\r\nno field here\r\n"));
  CHECK(build("").content.ends_with("\r\n\r\n"));
  CHECK(build("Subject: only").content.starts_with("Subject: only\r\nDate: "));
  CHECK(build(" leading blank\n").content.ends_with("\r\n\r\n leading blank\r\n"));
}

TEST_CASE("-t takes To, Cc and Bcc, folded, with groups and comments, in order") {
  Built built = build("To: Ann <ann@x.example>, bob\nCc: team: c@y.example,\n\t(a comment) \"d e\"@y.example;\n"
                      "Bcc: hidden@z.example\nX-To: no@x.example\n\nTo: body@x.example\n", extracting(), 7);
  CHECK(built.recipients == std::vector<std::string>{"ann@x.example", "bob@example.org", "c@y.example", "\"d e\"@y.example",
                                                     "hidden@z.example"});
  CHECK(built.content.find("hidden") == std::string::npos);
  CHECK(built.content.find("X-To: no") != std::string::npos);
}

TEST_CASE("with Resent fields only their recipients count") {
  Built built = build("To: old@x.example\nBcc: kept@x.example\nResent-To: new@x.example\nResent-Bcc: b@x.example\n\n", extracting());
  CHECK(built.recipients == std::vector<std::string>{"new@x.example", "b@x.example"});
  CHECK(istarts_with(built.content, "To: old"));
  CHECK(built.content.find("b@x.example") == std::string::npos);
  CHECK(built.content.find("kept@") == std::string::npos);
}

TEST_CASE("Bcc is dropped without -t, too, folded lines and all") {
  CHECK(build(whole + "bcc : a@b,\n c@d\nSubject: x\n\n").content == whole + "Subject: x\r\n\r\n");
}

TEST_CASE("ten thousand folded recipients") {
  std::string in = "To: first@x.example";
  for (int i = 0; i < 10000; ++i) in += ",\n u" + std::to_string(i) + "@x.example";
  Built built = build(in + "\n\n", extracting(), 4096);
  CHECK(built.recipients.size() == 10001);
  CHECK(built.recipients.back() == "u9999@x.example");
}

TEST_CASE("an address list that can't be read is an error that names the field") {
  auto built = build("To: a@b@@, <\n\n", extracting());
  REQUIRE_FALSE(built.result);
  CHECK(built.result.error().text().starts_with("To: "));
}

TEST_CASE("a header without end is refused past its bound") {
  MessageBuilder builder(defaults());
  std::string out, line = "X-Long: " + std::string(1000, 'x') + "\n", chunk;
  for (int i = 0; i < 100; ++i) chunk += line;
  Result<> done;
  for (int i = 0; done && i < 1000; ++i) done = builder.feed(chunk, out);
  REQUIRE_FALSE(done);
  CHECK(done.error().fault() == Fault::too_long);
  CHECK(out.empty());
}

TEST_CASE("a leading From_ line is no part of the message") {
  Built built = build("From ann@x.example Tue Nov 14 2023\n" + whole + "\nhi\n", defaults(), 5);
  CHECK(built.content == whole + "\r\nhi\r\n");
  CHECK(built.mbox_sender == "ann@x.example");
}

TEST_CASE("of two From_ lines the second is text, however the input is cut") {
  std::string input = "From ann@x.example Tue Nov 14 2023\nFrom bob@x.example Wed Nov 15 2023\n" + whole + "\nhi\n";
  Built uncut = build(input);
  CHECK(uncut.content.ends_with("\r\n\r\nFrom bob@x.example Wed Nov 15 2023\r\n" + whole + "\r\nhi\r\n"));
  for (std::size_t piece : {1, 2, 5, 35, 36, 37, 50}) {
    Built cut = build(input, defaults(), piece);
    CHECK(cut.content == uncut.content);
    CHECK(cut.mbox_sender == "ann@x.example");
  }
}

TEST_CASE("8-bit content is noticed") {
  CHECK_FALSE(build(whole + "\nabc").eight_bit);
  CHECK(build(whole + "\n\xc3\xbc").eight_bit);
  CHECK(build("Subject: \xfc\n\n").eight_bit);
}

TEST_CASE("the name of a mailbox is quoted or encoded as it needs") {
  auto address = *mail::Address::parse("root@example.org");
  CHECK(format_mailbox("", address) == "root@example.org");
  CHECK(format_mailbox("Cron Daemon", address) == "Cron Daemon <root@example.org>");
  CHECK(format_mailbox("a.b \"c\" \\", address) == "\"a.b \\\"c\\\" \\\\\" <root@example.org>");
  CHECK(format_mailbox("J\u00f6rg", address) == "=?UTF-8?B?SsO2cmc=?= <root@example.org>");
  CHECK(format_mailbox("bad\nname", address) == "root@example.org");
  CHECK(format_mailbox("\xff", address) == "root@example.org");
}

}  // namespace
}  // namespace mansio::sendmail
