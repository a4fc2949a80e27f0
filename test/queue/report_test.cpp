#include "queue/report.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

#include "base/file.hpp"
#include "base/text.hpp"
#include "queue/letter.hpp"

using namespace mansio;
using namespace mansio::queue;
using mail::DsnAction;

namespace {

config::Config report_config() {
  config::Config config;
  config.host_name = "mx.ex.test";
  config.mail_name = "ex.test";
  return config;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

Report report_of(const spool::Message& message, std::vector<Reported> recipients, const config::Config& config = report_config()) {
  for (Reported& each : recipients) each.expires = each.expires.value_or(letter_time + std::chrono::hours(96));
  auto original = read_original(message, 64 << 10, recipients[0].action);
  return make_report(message, recipients, std::move(original), config, "2@mx.ex.test", letter_time + std::chrono::hours(2));
}

}  // namespace

TEST_CASE("NOTIFY, what happened and the sender decide whether a report is made") {
  constexpr std::uint8_t none = 0, never = mail::Notify::never, success = mail::Notify::success, failure = mail::Notify::failure,
                         delay = mail::Notify::delay;
  struct WantCase {
    std::uint8_t notify;
    bool failed, delayed, delivered;     // relayed and expanded are as delivered
  };
  for (const WantCase& c : {WantCase{none, true, true, false}, WantCase{never, false, false, false}, WantCase{success, false, false, true},
                            WantCase{failure, true, false, false}, WantCase{delay, false, true, false},
                            WantCase{success | failure, true, false, true}, WantCase{failure | delay, true, true, false},
                            WantCase{success | failure | delay, true, true, true}}) {
    for (bool null_sender : {false, true}) {
      mail::Envelope envelope;
      if (!null_sender) envelope.sender = *mail::Address::parse("alice@ex.test");
      mail::Recipient recipient(*mail::Address::parse("bob@far.test"));
      recipient.notify = c.notify;
      INFO("notify " << int(c.notify) << " null sender " << null_sender);
      CHECK(wants_report(envelope, recipient, DsnAction::failed) == (c.failed && !null_sender));
      CHECK(wants_report(envelope, recipient, DsnAction::delayed) == (c.delayed && !null_sender));
      for (auto action : {DsnAction::delivered, DsnAction::relayed, DsnAction::expanded}) {
        CHECK(wants_report(envelope, recipient, action) == (c.delivered && !null_sender));
      }
    }
  }
}

TEST_CASE("recipients without a right to a report are not listed") {
  Letter letter("A: b\r\n\r\nx\r\n", {"bob@far.test", "carol@far.test", "dave@far.test"});
  letter.message.envelope.recipients[1].notify = mail::Notify::never;
  std::vector<Reported> all;
  for (std::size_t i = 0; i < 3; ++i) all.emplace_back(i, DsnAction::failed, Status(550, 1, 1, "no"));
  auto due = reportable(letter.message, std::move(all));
  REQUIRE(due.size() == 2);
  CHECK(due[0].recipient == 0);
  CHECK(due[1].recipient == 2);
  std::string content = report_of(letter.message, due).content;
  CHECK(contains(content, "Final-Recipient: rfc822;bob@far.test\r\n"));
  CHECK_FALSE(contains(content, "carol"));
}

TEST_CASE("a failure names the host that said it and returns the message") {
  Letter letter("Subject: hello\r\n\r\nthe body\r\n", {"bob@far.test"});
  letter.message.envelope.envid = "env+2B1";
  letter.message.envelope.recipients[0].orcpt = "rfc822;robert@far.test";
  std::vector<Reported> failed{Reported(0, DsnAction::failed, Status(550, 1, 1, "no such\nuser here"))};
  failed[0].host = "mx.far.test [192.0.2.5]:25";
  Report report = report_of(letter.message, failed);
  for (const char* part : {"Remote-MTA: dns; mx.far.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user here\r\nLast-Attempt-Date: ",
                           "Original-Envelope-Id: env+1\r\n", "The host mx.far.test [192.0.2.5]:25 said on ", "(you wrote to robert@far.test)",
                           "write to postmaster@ex.test", "\r\n\r\nReceived: ours\r\nSubject: hello\r\n\r\nthe body\r\n", "To: <alice@ex.test>\r\n"}) {
    INFO(part);
    CHECK(contains(report.content, part));
  }
  CHECK_FALSE(contains(report.content, "Will-Retry-Until"));
  CHECK_FALSE(report.envelope.sender);
  CHECK(report.envelope.reply_to_id == letter.message.id.text());
  CHECK(report.envelope.ret == mail::Return::unspecified);
  CHECK(report.envelope.envid.empty());
  CHECK(report.envelope.body == mail::Body::unspecified);
  REQUIRE(report.envelope.recipients.size() == 1);
  CHECK(report.envelope.recipients[0].address.text() == "alice@ex.test");
  CHECK(report.envelope.recipients[0].notify == mail::Notify::never);
  CHECK(report.envelope.recipients[0].orcpt.empty());
}

TEST_CASE("delays and successes return the header alone, and so does RET=HDRS or a long message") {
  Letter letter("Subject: hello\r\n\r\nthe body\r\n", {"bob@far.test"});
  for (auto action : {DsnAction::delayed, DsnAction::delivered, DsnAction::relayed, DsnAction::expanded}) {
    std::string content = report_of(letter.message, {Reported(0, action, Status(250, "ok"))}).content;
    CHECK(contains(content, "Content-Type: text/rfc822-headers\r\n\r\nReceived: ours\r\nSubject: hello\r\n"));
    CHECK_FALSE(contains(content, "the body"));
    CHECK(contains(content, "Will-Retry-Until: ") == (action == DsnAction::delayed));
  }
  CHECK(contains(report_of(letter.message, {Reported(0, DsnAction::relayed, Status(250, "ok"))}).content, "Action: relayed\r\nStatus: 2."));
  CHECK(read_original(letter.message, 64 << 10, DsnAction::failed).full);
  CHECK_FALSE(read_original(letter.message, 20, DsnAction::failed).full);
  letter.message.envelope.ret = mail::Return::headers;
  Original original = read_original(letter.message, 64 << 10, DsnAction::failed);
  CHECK_FALSE(original.full);
  CHECK(original.text == "Received: ours\r\nSubject: hello\r\n\r\n");
}

TEST_CASE("an original that can't be read leaves a bounce with our own fields") {
  Letter letter("Subject: hello\r\n\r\nthe body\r\n", {"bob@far.test"});
  letter.message.content.length += 1000;
  Original original = read_original(letter.message, 64 << 10, DsnAction::failed);
  CHECK_FALSE(original.full);
  CHECK(original.text == "Received: ours\r\n");
}

TEST_CASE("bounce_copy_to has each bounce as well, and nothing else") {
  Letter letter("Subject: hello\r\n\r\nthe body\r\n", {"bob@far.test"});
  config::Config config = report_config();
  config.bounces.copy_to = "watch@ex.test";
  Report report = report_of(letter.message, {Reported(0, DsnAction::failed, Status(550, "no"))}, config);
  REQUIRE(report.envelope.recipients.size() == 2);
  CHECK(report.envelope.recipients[1].address.text() == "watch@ex.test");
  CHECK(report.envelope.recipients[1].notify == mail::Notify::never);
  CHECK_FALSE(contains(report.content, "watch@"));
  CHECK(report_of(letter.message, {Reported(0, DsnAction::delayed, Status(450, "later"))}, config).envelope.recipients.size() == 1);
  config.bounces.copy_to = "ALICE@ex.test";
  CHECK(report_of(letter.message, {Reported(0, DsnAction::failed, Status(550, "no"))}, config).envelope.recipients.size() == 1);
  config.bounces.copy_to = "no address";
  CHECK(report_of(letter.message, {Reported(0, DsnAction::failed, Status(550, "no"))}, config).envelope.recipients.size() == 1);
}

TEST_CASE("a sender with SMTPUTF8 gets a report of RFC 6533, another one a report in ASCII") {
  Letter letter("Subject: \xc3\xbc\r\n\r\nx\r\n", {"j\xc3\xb6rg@far.test"});
  letter.message.envelope.smtputf8 = true;
  Report report = report_of(letter.message, {Reported(0, DsnAction::failed, Status(550, 6, 7, "no SMTPUTF8"))});
  CHECK(contains(report.content, "Content-Type: message/global-delivery-status\r\n"));
  CHECK(contains(report.content, "Final-Recipient: utf-8;j\xc3\xb6rg@far.test\r\n"));
  CHECK(report.envelope.body == mail::Body::eight_bit);
  CHECK_FALSE(report.envelope.smtputf8);      // its own header is ASCII
  letter.message.envelope.sender = *mail::Address::parse("\xc3\xa4lice@ex.test");
  CHECK(report_of(letter.message, {Reported(0, DsnAction::failed, Status(550, 6, 7, "no SMTPUTF8"))}).envelope.smtputf8);
  Letter plain("Subject: u\r\n\r\nx\r\n", {"j\xc3\xb6rg@far.test"});
  Report ascii = report_of(plain.message, {Reported(0, DsnAction::failed, Status(550, 6, 7, "no SMTPUTF8"))});
  CHECK(is_ascii(ascii.content));
  CHECK(contains(ascii.content, "Final-Recipient: utf-8;j\\x{F6}rg@far.test\r\n"));
}

TEST_CASE("templates come from a directory; a mistake is told and the built-in text used") {
  LetterDirectory directory;
  CHECK(load_templates("").problems.empty());
  auto none = load_templates(directory.path + "/nowhere");
  REQUIRE(none.problems.size() == 1);
  CHECK(contains(none.problems[0], "holds none of failed.txt"));
  REQUIRE(replace_file(directory.path + "/failed.txt", "Subject: Pech\n\n{recipients}\n[recipient]\n{address}\n[host_answer]\nx\n[own_answer]\nx\n", 0644));
  REQUIRE(replace_file(directory.path + "/delayed.txt", "Subject: later\n\n{recipient}\n", 0644));
  auto loaded = load_templates(directory.path);
  CHECK(loaded.templates[0].subject == "Pech");
  CHECK(loaded.templates[1].subject == mail::default_templates()[1].subject);
  CHECK(loaded.templates[2].subject == mail::default_templates()[2].subject);
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0] == directory.path + "/delayed.txt:3: {recipient} is not known in the text; known: {host} {queue_id} {arrival} {sender} "
                              "{postmaster} {recipients}; the built-in text is used");
  Letter letter("A: b\r\n\r\nx\r\n", {"bob@far.test"});
  Report report = make_report(letter.message, {Reported(0, DsnAction::failed, Status(550, "no"))}, Original(), report_config(), "2@x", letter_time,
                              loaded.templates);
  CHECK(contains(report.content, "Subject: Pech\r\n"));
}
