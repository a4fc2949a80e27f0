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
  bob.remote_host = "mx.example.net [192.0.2.7]:25";
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

namespace {

// The first part of a report about one recipient.
std::string first_part(const Status& status, DsnAction action, std::string host = "", std::string orcpt = "") {
  Dsn dsn("mail.example.net", *Address::parse("alice@example.org"));
  dsn.message_id = "1@mail.example.net";
  dsn.queue_id = "1abc";
  dsn.date = dsn.arrival = Time(std::chrono::seconds(1'700'000'000));
  DsnRecipient bob(*Address::parse("bob@example.net"), action, status);
  bob.remote_host = std::move(host);
  bob.orcpt = std::move(orcpt);
  bob.last_attempt = Time(std::chrono::seconds(1'700'000'100));
  bob.will_retry_until = Time(std::chrono::seconds(1'700'400'000));
  dsn.recipients.push_back(std::move(bob));
  std::string text = format_dsn(dsn);
  check_lines(text);
  auto begin = text.find("us-ascii\r\n\r\n") + 12;
  std::string part = text.substr(begin, text.find("\r\n--=_", begin) - begin);
  std::erase(part, '\r');
  return part;
}

bool holds(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("the first part says which address, who said what, and what to do by class of trouble") {
  struct TroubleCase {
    Status status;
    const char* advice;
  };
  for (const TroubleCase& c : std::vector<TroubleCase>{
           {Status(550, 1, 1, "x"), "There is no such mailbox"}, {Status(550, 2, 1, "x"), "There is no such mailbox"},
           {Status(550, 1, 2, "x"), "does not exist, or takes no mail"}, {Status(556, 1, 10, "x"), "does not exist, or takes no mail"},
           {Status(552, 2, 2, "x"), "mailbox is full"}, {Status(552, "x"), "mailbox is full"}, {Status(552, 3, 4, "x"), "too large"},
           {Status(552, 2, 3, "x"), "too large"}, {Status(550, 7, 1, "x"), "by its own rules"}, {Status(554, 6, 3, "x"), "a message of this kind"},
           {Status(554, 4, 6, "x"), "in circles"}, {Status(550, 4, 7, "x"), "tried again and again"}, {Status(550, "x"), "unchanged won't help"},
           {Status(550, 0, 0, "x"), "unchanged won't help"}}) {
    std::string text = first_part(c.status, DsnAction::failed);
    INFO(text);
    CHECK(holds(text, c.advice));
    CHECK(holds(text, "  <bob@example.net>\n    mail.example.net gave up on "));
  }
  std::string text = first_part(Status(550, 1, 1, "No such user here"), DsnAction::failed, "mx.example.net [192.0.2.7]:25", "rfc822;Robert@example.org");
  CHECK(holds(text, "  <bob@example.net>\n    (you wrote to Robert@example.org)\n    The host mx.example.net [192.0.2.7]:25 said on "));
  CHECK(holds(text, ":\n      550 5.1.1 No such user here\n\n    There is no such mailbox"));
  CHECK_FALSE(holds(first_part(Status(550, "x"), DsnAction::failed, "", "rfc822;BOB@example.net"), "you wrote"));
  CHECK(holds(first_part(Status(451, "x"), DsnAction::delayed), "    The message will be tried until "));
  CHECK(holds(first_part(Status(452, 2, 2, "x"), DsnAction::delayed), "mailbox is full. The message will be tried until\n"));
  CHECK(holds(first_part(Status(250, "x"), DsnAction::delivered), "It is in the mailbox."));
  CHECK(holds(first_part(Status(250, "x"), DsnAction::relayed, "mx"), "taken over by the host mx on "));
  CHECK(holds(first_part(Status(250, "x"), DsnAction::expanded), "to the members of this address"));
}

TEST_CASE("who said it is named in Remote-MTA, and our own words are no SMTP reply") {
  std::string text = format_dsn(failure());
  CHECK(text.find("Remote-MTA: dns; mx.example.net\r\nDiagnostic-Code: smtp; 550-5.1.1 first") != text.npos);
  CHECK(text.find("Status: 4.0.0\r\nDiagnostic-Code: X-Mansio; 451 later\r\n") != text.npos);
  Dsn dsn = failure();
  dsn.recipients[0].remote_host = "[192.0.2.7]:25";
  CHECK(format_dsn(dsn).find("Remote-MTA: dns; [192.0.2.7]\r\n") != std::string::npos);
}

TEST_CASE("a report of success does not tell the path of a mailbox") {
  Dsn dsn = failure();
  dsn.recipients[0].action = DsnAction::delivered;
  dsn.recipients[0].status = Status(250, 2, 0, "delivered to /var/mail/bob");
  dsn.recipients[0].remote_host.clear();
  dsn.recipients[0].remote_reply.clear();
  dsn.recipients.erase(dsn.recipients.begin() + 1, dsn.recipients.end());
  std::string text = format_dsn(dsn);
  CHECK(holds(text, "Action: delivered\r\nStatus: 2.2.0\r\n"));
  CHECK_FALSE(holds(text, "/var/mail"));
  CHECK_FALSE(holds(text, "Diagnostic-Code"));
}

TEST_CASE("a report to an SMTPUTF8 sender uses the global types of RFC 6533") {
  Dsn dsn = failure();
  dsn.utf8 = true;
  dsn.to = *Address::parse("\xc3\xa4lice@example.org");
  dsn.recipients.emplace_back(*Address::parse("j\xc3\xb6rg+x@example.net"), DsnAction::failed, Status(550, 6, 7, "no SMTPUTF8"));
  dsn.recipients.back().orcpt = "utf-8;j\xc3\xb6rg@example.org";
  dsn.original = "Subject: \xc3\xbc\r\n\r\nbody\r\n";
  std::string text = format_dsn(dsn);
  check_lines(text);
  CHECK(is_utf8(text));
  for (const char* part : {"To: <\xc3\xa4lice@example.org>\r\n", "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
                           "Original-Recipient: utf-8;j\xc3\xb6rg@example.org\r\nFinal-Recipient: utf-8;j\xc3\xb6rg\\x{2B}x@example.net\r\n",
                           "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xbc\r\n",
                           "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", "  <j=C3=B6rg+x@example.net>\r\n"}) {
    INFO(part);
    CHECK(text.find(part) != text.npos);
  }
  dsn.full = true;
  CHECK(format_dsn(dsn).find("Content-Type: message/global\r\n") != std::string::npos);
  dsn.original = "Subject: \xe4\r\n\r\nbody\r\n";      // no UTF-8: an old message, as it is
  CHECK(format_dsn(dsn).find("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n") != std::string::npos);
  dsn.utf8 = false;                                    // the same for a sender that knows nothing of it
  dsn.original = "Subject: u\r\n\r\n";
  dsn.to = *Address::parse("alice@example.org");
  text = format_dsn(dsn);
  CHECK(is_ascii(text));
  CHECK(text.find("Original-Recipient: utf-8;j\\x{F6}rg@example.org\r\nFinal-Recipient: utf-8;j\\x{F6}rg\\x{2B}x@example.net\r\n") != text.npos);
}

TEST_CASE("an admin's template gives the words, a subject in another language goes as encoded words") {
  ReportTemplates templates = default_templates();
  auto own = parse_template("Subject: Nachricht nicht zustellbar \xe2\x80\x93 sch\xc3\xb6ne Gr\xc3\xbc\xc3\x9f" "e vom Postmeister\n\nLeider:\n{recipients}\n"
                            "[recipient]\n- {address}: {answer}\n[host_answer]\n{reply}\n[own_answer]\n{reply}\n", "failed.txt");
  REQUIRE(own);
  templates[0] = *own;
  std::string text = format_dsn(failure(), templates);
  check_lines(text);
  CHECK(is_ascii(text));
  CHECK(text.find("Subject: =?utf-8?B?TmFjaHJpY2h0IG5pY2h0IHp1c3RlbGxiYXIg4oCTIHNjaMO2bmUgR3LDvMOf?=\r\n =?utf-8?B?ZSB2b20gUG9zdG1laXN0ZXI=?=\r\n") != text.npos);
  CHECK(text.find("Leider:\r\n- bob@example.net: 550-5.1.1 first") != text.npos);
}
