#include "mail/dsn.hpp"

#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "mail/header.hpp"

using namespace mansio;
using namespace mansio::mail;

namespace {

Dsn failure() {
  Dsn dsn("mail.example.net", *Address::parse("alice@example.org"));
  dsn.message_id = "1abc@mail.example.net";
  dsn.queue_id = "1abc";
  dsn.date = dsn.arrival = Time(std::chrono::seconds(1'700'000'000));
  dsn.envid = "QQ+2B1";
  DsnRecipient bob(*Address::parse("bob@example.net"), DsnAction::failed, Status(550, 1, 1, "No such user"));
  bob.orcpt = "rfc822;robert+40example.net";
  bob.remote_host = "mx.example.net";
  bob.remote_reply = "550-5.1.1 first\r\n550 5.1.1 \x1b[31m<b>second</b>\xff";
  dsn.recipients.push_back(std::move(bob));
  dsn.recipients.emplace_back(*Address::parse("carol@example.net"), DsnAction::delayed, Status(451, "later"));
  dsn.original = "Subject: hello\r\nFrom: alice@example.org\r\n\r\nbody\r\n";
  return dsn;
}

void check_lines(const std::string& text) {
  REQUIRE(text.ends_with("\r\n"));
  for (auto line : split(std::string_view(text).substr(0, text.size() - 1), '\n')) {
    CHECK(line.ends_with('\r'));
    CHECK(line.size() <= 999);
    CHECK(line.find('\r') == line.size() - 1);
  }
}

}  // namespace

TEST_CASE("a failure report has the fields of RFC 3464 for each recipient") {
  std::string text = format_dsn(failure());
  check_lines(text);
  CHECK(is_ascii(text));
  for (const char* part : {"To: <alice@example.org>\r\n", "Auto-Submitted: auto-replied\r\n", "report-type=delivery-status;",
                           "From: Mail Delivery System <MAILER-DAEMON@mail.example.net>\r\n", "Reporting-MTA: dns; mail.example.net\r\n",
                           "Original-Envelope-Id: QQ+1\r\n", "Arrival-Date: ", "\r\n\r\nOriginal-Recipient: rfc822;robert@example.net\r\n",
                           "Final-Recipient: rfc822;bob@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\n",
                           "Final-Recipient: rfc822;carol@example.net\r\nAction: delayed\r\nStatus: 4.0.0\r\n",
                           "Content-Type: text/rfc822-headers\r\n\r\nSubject: hello\r\n", "Content-Type: message/delivery-status\r\n"}) {
    INFO(part);
    CHECK(text.find(part) != text.npos);
  }
  CHECK(text.find('\x1b') == text.npos);
  CHECK(text.find("body") == text.npos);
  CHECK(text.find("Will-Retry-Until") == text.npos);
  HeaderReader reader(text);
  std::size_t fields = 0;
  while (reader.next()) ++fields;
  CHECK(fields == 8);
  CHECK(reader.has_separator());
}

TEST_CASE("RET=FULL returns the message unchanged when it fits, else its header") {
  Dsn dsn = failure();
  dsn.full = true;
  CHECK(format_dsn(dsn).find("Content-Type: message/rfc822\r\n\r\nSubject: hello\r\nFrom: alice@example.org\r\n\r\nbody\r\n") !=
        std::string::npos);
  for (std::string body : {std::string("a\0b", 3), std::string("a\nb"), std::string("a\rb"), std::string(2000, 'x')}) {
    dsn.original = "Subject: hello\r\n\r\n" + body + "\r\n";
    std::string text = format_dsn(dsn);
    check_lines(text);
    CHECK(text.find("text/rfc822-headers") != text.npos);
  }
  dsn.original = "Subject: " + std::string(5000, 'y') + "\xc3\xa4\nX: \r\n \r\n";
  std::string text = format_dsn(dsn);
  check_lines(text);
  CHECK(text.find("Content-Transfer-Encoding: 8bit") != text.npos);
}

TEST_CASE("the boundary is one that the returned content does not hold (S-135)") {
  Dsn dsn = failure();
  dsn.full = true;
  dsn.original = "Subject: x\r\n\r\n--=_1abc.mail.example.net_0_=\r\n--=_1abc.mail.example.net_1_=--\r\n";
  CHECK(format_dsn(dsn).find("boundary=\"=_1abc.mail.example.net_2_=\"") != std::string::npos);
}

TEST_CASE("an answer of 64 kB or of many lines stays one bounded, folded field (S-019)") {
  for (std::string reply : {std::string(65536, 'x'), std::string(65536, ' '), std::string(5000, '\n'), std::string("550 %n%n\r\nX-Evil: 1\r\n.\r\n")}) {
    Dsn dsn = failure();
    dsn.recipients[0].remote_reply = reply;
    std::string text = format_dsn(dsn);
    check_lines(text);
    CHECK(text.size() < 10000);
    CHECK(text.find("\r\nX-Evil") == text.npos);
    CHECK(text.find("\r\n.\r\n") == text.npos);
  }
}

TEST_CASE("an internationalised recipient goes as utf-8-addr-xtext") {
  Dsn dsn = failure();
  dsn.recipients.emplace_back(*Address::parse("j\xc3\xb6rg@example.net"), DsnAction::failed, Status(550, 6, 7, "no SMTPUTF8"));
  std::string text = format_dsn(dsn);
  CHECK(text.find("Final-Recipient: utf-8;j\\x{F6}rg@example.net\r\n") != text.npos);
  CHECK(is_ascii(text));
}
