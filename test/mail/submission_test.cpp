#include "mail/submission.hpp"

#include <catch2/catch.hpp>

#include "mail/list.hpp"

namespace mansio::mail {
namespace {

using Lines = std::vector<std::string>;

const Domain home = *Domain::parse("example.org");
const std::string date_line = "Date: Fri, 13 Feb 2009 23:31:30 +0000\r\n", id_line = "Message-ID: <u1@mail.example.org>\r\n";
// A header that lacks nothing.
const std::string whole = "Date: x\r\nMessage-ID: <a@b.test>\r\n";

SubmissionFacts facts_of(std::string_view sender = "bob@example.org", std::string_view login = "") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  SubmissionFacts facts(home);
  if (!sender.empty()) facts.sender = *Address::parse(sender);
  if (!login.empty()) facts.login = login_address(login, home);
  facts.message_id = "u1@mail.example.org";
  facts.now = Time(std::chrono::seconds(1234567890));
  return facts;
}

// The new header without its empty line, or "error: ...".
std::string rewritten(const std::string& message, const SubmissionFacts& facts) {
  auto result = rewrite_submission(message, facts);
  if (!result) return "error: " + result.error().text();
  REQUIRE(result->text.ends_with("\r\n"));
  return result->text.substr(0, result->text.size() - 2);
}

Lines addresses_of(const std::vector<Address>& list) {
  Lines out;
  for (const Address& address : list) out.push_back(address.text());
  return out;
}

}  // namespace

TEST_CASE("what a submitted message lacks is added at the end of its header (RFC 6409 §8)") {
  struct Row {
    std::string message, header;
    Lines done;
  };
  const std::string from = "From: bob@example.org\r\n";
  const Row rows[] = {
    {"Subject: a\r\n\r\nbody", "Subject: a\r\n" + date_line + id_line + from, {"Date added", "Message-ID added", "From added"}},
    {"", date_line + id_line + from, {"Date added", "Message-ID added", "From added"}},
    {"\r\nbody", date_line + id_line + from, {"Date added", "Message-ID added", "From added"}},
    {"body text\r\n", date_line + id_line + from, {"Date added", "Message-ID added", "From added"}},
    {"From: a@b.test\r\nDATE : x\r\nmessage-id:y\r\n\r\n", "From: a@b.test\r\nDATE : x\r\nmessage-id:y\r\n", {}},
    {whole + "From: a@b.test", whole + "From: a@b.test\r\n", {}},
    {"Date:\r\nFrom: \r\n \r\nMessage-ID: \t\r\nSender:\r\nTo:\r\n\r\n", "To:\r\n" + date_line + id_line + from,
     {"Date removed, for it was empty", "From removed, for it was empty", "Message-ID removed, for it was empty", "Sender removed, for it was empty",
      "Date added", "Message-ID added", "From added"}},
    {whole + "From: a@b.test\nX-Odd:\t a\n  b \r\n\r\n", whole + "From: a@b.test\nX-Odd:\t a\n  b \r\n", {}},
  };
  for (const Row& row : rows) {
    INFO(row.message);
    CHECK(rewritten(row.message, facts_of()) == row.header);
    CHECK(rewrite_submission(row.message, facts_of())->done == row.done);
  }
}

TEST_CASE("the new header stands in for the old one and its empty line, and never joins the body") {
  struct Row {
    std::string message, body;
  };
  const Row rows[] = {{"A: b\r\n\r\nbody", "body"}, {"A: b\r\nbody", "body"}, {"A: b\r\n", ""}, {"\r\nA: b\r\n", "A: b\r\n"}, {"body\r\nA: b", "body\r\nA: b"}};
  for (const Row& row : rows) {
    INFO(row.message);
    auto result = rewrite_submission(row.message, facts_of());
    REQUIRE(result);
    CHECK(row.message.substr(result->replaces) == row.body);
    CHECK(result->text.ends_with("\r\n\r\n"));
  }
}

TEST_CASE("addresses without a domain get mail_name, and nothing else changes") {
  struct Row {
    std::string field, now;
  };
  const Row rows[] = {
    {"From: bob\r\n", "From: bob@example.org\r\n"},
    {"from :\tBob  (the one) <bob>\r\n", "from :\tBob  (the one) <bob@example.org>\r\n"},
    {"From: bob (c1 (c2))\r\n", "From: bob@example.org (c1 (c2))\r\n"},
    {"From: x@y.test\r\nTo: a@b.test,\r\n  bob ,eve\r\n\t, \"C, D\" <c>\r\n", "From: x@y.test\r\nTo: a@b.test,\r\n  bob@example.org ,eve@example.org\r\n\t, \"C, D\" <c@example.org>\r\n"},
    {"From: x@y.test\r\nCc: friends: a, b@c.test;, d\r\n", "From: x@y.test\r\nCc: friends: a@example.org, b@c.test;, d@example.org\r\n"},
    {"From: x@y.test\r\nBcc: a . b\r\nReply-To: \"a b\"\r\n", "From: x@y.test\r\nBcc: a . b@example.org\r\nReply-To: \"a b\"@example.org\r\n"},
    {"From: x@y.test\r\nRESENT-TO: a\r\nResent-From: <b>\r\n", "From: x@y.test\r\nRESENT-TO: a@example.org\r\nResent-From: <b@example.org>\r\n"},
    {"From: x@y.test\r\nSubject: bob\r\nIn-Reply-To: bob\r\n", "From: x@y.test\r\nSubject: bob\r\nIn-Reply-To: bob\r\n"},
    {"From: x@y.test\r\nTo: bob, two words\r\n", "From: x@y.test\r\nTo: bob, two words\r\n"},                // can't be read: left alone
    {"From: x@y.test\r\nTo: undisclosed-recipients:;\r\n", "From: x@y.test\r\nTo: undisclosed-recipients:;\r\n"},
    {"From: x@y.test\r\nTo: =?utf-8?Q?Doe,_J?= <j@b.test>\r\n", "From: x@y.test\r\nTo: =?utf-8?Q?Doe,_J?= <j@b.test>\r\n"},
  };
  for (const Row& row : rows) {
    INFO(row.field);
    CHECK(rewritten(whole + row.field + "\r\n", facts_of()) == whole + row.now);
  }
  CHECK(rewrite_submission(whole + "From: bob\r\nTo: a, b\r\nTo: c\r\n\r\n", facts_of())->done == Lines{"From qualified", "To qualified"});
}

TEST_CASE("a line that grows too long is folded between addresses") {
  std::string names = "To: a0", want = "To: a0@example.org";
  for (int i = 1; i < 150; ++i) names += ",a" + std::to_string(i);
  auto result = rewrite_submission(whole + "From: x@y.test\r\n" + names + "\r\n\r\n", facts_of());
  REQUIRE(result);
  std::size_t at = 0, lines = 0;
  for (auto end = result->text.find("\r\n"); end != std::string::npos; end = result->text.find("\r\n", at), ++lines) {
    CHECK(end - at <= 998);
    at = end + 2;
  }
  CHECK(lines == 7);
  auto begin = result->text.find("To: ") + 4;
  auto list = parse_address_list(std::string_view(result->text).substr(begin, result->text.size() - begin - 4), home);
  REQUIRE(list);
  CHECK(list->size() == 150);
  CHECK(list->back().text() == "a149@example.org");
}

TEST_CASE("domains below those of masquerade become them, in senders and recipients") {
  SubmissionFacts facts = facts_of();
  facts.masquerade = {"dept.example.org", "example.org", "xn--bcher-kva.example"};
  struct Row {
    std::string field, now;
  };
  const Row rows[] = {
    {"From: Bob <bob@host.Example.ORG> (x)\r\n", "From: Bob <bob@example.org> (x)\r\n"},
    {"From: bob@a.b.dept.example.org\r\n", "From: bob@dept.example.org\r\n"},
    {"From: bob@dept.example.org\r\n", "From: bob@dept.example.org\r\n"},
    {"From: bob@notexample.org\r\n", "From: bob@notexample.org\r\n"},
    {"From: bob@Example.org\r\n", "From: bob@Example.org\r\n"},
    {"From: App <app@SERVER1>\r\n", "From: App <app@dept.example.org>\r\n"},
    {"From: app@localhost\r\n", "From: app@dept.example.org\r\n"},
    {"From: app@[192.0.2.1]\r\n", "From: app@[192.0.2.1]\r\n"},
    {"From: bob@m\xc3\xbcll.b\xc3\xbc" "cher.example\r\n", "From: bob@xn--bcher-kva.example\r\n"},
    {"From: x@y.test\r\nSender: a@h.example.org\r\nReply-To: a @ h . example . org\r\nTo: b, c@h.example.org\r\n",
     "From: x@y.test\r\nSender: a@example.org\r\nReply-To: a @ example.org\r\nTo: b@example.org, c@example.org\r\n"},
    {"From: x@y.test\r\nErrors-To: a@h.example.org\r\n", "From: x@y.test\r\nErrors-To: a@h.example.org\r\n"},
  };
  for (const Row& row : rows) {
    INFO(row.field);
    CHECK(rewritten(whole + row.field + "\r\n", facts) == whole + row.now);
  }
  CHECK(addresses_of(rewrite_submission(whole + "From: bob@h.example.org, c\r\n\r\n", facts)->from) == Lines{"bob@example.org", "c@example.org"});
  CHECK(masqueraded(*Address::parse("\"a b\"@x.example.org"), facts.masquerade)->text() == "\"a b\"@example.org");
  CHECK_FALSE(masqueraded(*Address::parse("a@example.org"), facts.masquerade));
  CHECK_FALSE(masqueraded(*Address::parse("a@[192.0.2.1]"), facts.masquerade));
  CHECK(masqueraded(*Address::parse("a@server1"), facts.masquerade)->text() == "a@dept.example.org");
  CHECK_FALSE(masqueraded(*Address::parse("a@server1"), {"server1"}));
  CHECK_FALSE(masqueraded(*Address::parse("a@server1"), {}));
}

TEST_CASE("Sender tells who logged in where From does not (RFC 6409 §8.1)") {
  struct Row {
    std::string login, fields, now;
    bool add_sender;
  };
  const Row rows[] = {
    {"bob", "From: bob@example.org\r\n", "From: bob@example.org\r\n", true},
    {"bob", "From: BOB@Example.org\r\n", "From: BOB@Example.org\r\n", true},
    {"bob", "From: bob\r\n", "From: bob@example.org\r\n", true},
    {"bob", "From: eve@example.org\r\n", "From: eve@example.org\r\nSender: bob@example.org\r\n", true},
    {"bob", "From: eve@example.org\r\n", "From: eve@example.org\r\n", false},
    {"bob@b.test", "From: eve@example.org\r\n", "From: eve@example.org\r\nSender: bob@b.test\r\n", true},
    {"", "From: eve@example.org\r\n", "From: eve@example.org\r\n", true},
    {"bob", "Sender: eve@x.test\r\nFrom: eve@example.org\r\n", "From: eve@example.org\r\nSender: bob@example.org\r\n", true},
    {"bob", "Sender: eve@x.test\r\nFrom: bob@example.org\r\n", "From: bob@example.org\r\n", true},
    {"bob", "Sender: Bob <bob>\r\nFrom: eve@example.org\r\n", "Sender: Bob <bob@example.org>\r\nFrom: eve@example.org\r\n", true},
    {"bob", "Sender: not an address\r\nFrom: bob@example.org\r\n", "From: bob@example.org\r\n", true},
    {"bob", "Sender: eve@x.test\r\nFrom: eve@example.org\r\n", "Sender: eve@x.test\r\nFrom: eve@example.org\r\n", false},
    {"bob", "From: bob@example.org, eve@x.test\r\n", "From: bob@example.org, eve@x.test\r\nSender: bob@example.org\r\n", false},
    {"b\xc3\xb6" "b", "From: eve@example.org\r\n", "From: eve@example.org\r\n", true},
  };
  for (const Row& row : rows) {
    INFO(row.login << " " << row.fields);
    SubmissionFacts facts = facts_of("bob@example.org", row.login);
    facts.add_sender = row.add_sender;
    CHECK(rewritten(whole + row.fields + "\r\n", facts) == whole + row.now);
  }
  SubmissionFacts facts = facts_of("", "b\xc3\xb6" "b");
  facts.smtputf8 = facts.add_sender = true;
  CHECK(rewritten(whole + "\r\n", facts) == whole + "From: b\xc3\xb6" "b@example.org\r\n");
}

TEST_CASE("fields that could only be forged are removed, Bcc and Received are not") {
  const std::string kept = whole + "Received: a\r\nBcc: x@y.test\r\nFrom: a@b.test\r\n";
  CHECK(rewritten("Return-Path: <a@b.test>\r\nx-authenticated-sender: boss\r\n " + std::string("folded\r\n") + kept + "RETURN-PATH: x\r\n\r\n", facts_of()) == kept);
  CHECK(rewrite_submission("Return-Path: <a@b.test>\r\nX-Authenticated-User: boss\r\n" + kept + "\r\n", facts_of())->done ==
        Lines{"Return-Path removed", "X-Authenticated-* removed"});
}

TEST_CASE("a header that has no one sender or can't be read is refused") {
  struct Row {
    std::string message, error;
  };
  const Row rows[] = {
    {"From: a@b.test\r\nfrom : c@d.test\r\n\r\n", "error: the message has more than one From field"},
    {"Date: a\r\nDate: b\r\n\r\n", "error: the message has more than one Date field"},
    {"Message-Id: a\r\nMessage-ID: a\r\n\r\n", "error: the message has more than one Message-ID field"},
    {"Sender: a@b.test\r\nFrom: a@b.test\r\nSender: a@b.test\r\n\r\n", "error: the message has more than one Sender field"},
    {"From: two words\r\n\r\n", "error: From: address list: no address in two words"},
    {"From: <>\r\n\r\n", "error: From: address list: local part is empty in <>"},
    {"From: nobody:;\r\n\r\n", "error: the From field holds no address"},
    {"From: (a@b.test)\r\n\r\n", "error: the From field holds no address"},
  };
  for (const Row& row : rows) {
    INFO(row.message);
    CHECK(rewritten(row.message, facts_of()).substr(0, 7) == "error: ");
    CHECK(rewritten(row.message, facts_of()) == row.error);
  }
  CHECK(rewritten("Subject: a\r\n\r\n", facts_of("")) == "error: the message has no From field");
  CHECK(rewritten("Subject: a\r\n\r\n", facts_of("", "bob")) == "Subject: a\r\n" + date_line + id_line + "From: bob@example.org\r\n");
  std::string many = "To: ";
  for (int i = 0; i < 120000; ++i) many += "a,";
  CHECK(rewritten(whole + "From: a@b.test\r\n" + many + "\r\n\r\n", facts_of()) == "error: the message has too many addresses without a domain");
}

TEST_CASE("a change that a DKIM signature covers is told") {
  struct Row {
    std::string fields;
    bool broken;
  };
  const std::string h = "DKIM-Signature: v=1; a=rsa-sha256; h=From : To:\r\n\tdate; b=xx;\r\n bh=yy\r\n";
  const Row rows[] = {
    {h + "Date: x\r\nFrom: a@b.test\r\nTo: c@d.test\r\nMessage-ID: x\r\n", false},
    {h + "Date: x\r\nFrom: a\r\nTo: c@d.test\r\nMessage-ID: x\r\n", true},
    {h + "From: a@b.test\r\nMessage-ID: x\r\n", true},                    // the lack of Date is signed too (RFC 6376 §5.4)
    {h + "Date: x\r\nFrom: a@b.test\r\nCc: c\r\n", false},
    {"Date: x\r\nFrom: a\r\n" + h + "Message-ID: x\r\n", true},
    {"From: a\r\n", false},
  };
  for (const Row& row : rows) {
    INFO(row.fields);
    auto result = rewrite_submission(row.fields + "\r\n", facts_of());
    REQUIRE(result);
    CHECK(result->signature_broken == row.broken);
  }
}

TEST_CASE("the senders of a header are the addresses of its From") {
  struct Row {
    std::string header;
    Lines senders;
  };
  const Row rows[] = {
    {"Subject: x\r\n\r\nFrom: body@x.test\r\n", {}},
    {"FROM\t: \"A, B\"\r\n <a@b.test>, c\r\nResent-From: d@e.test\r\n\r\n", {"a@b.test", "c@example.org"}},
    {"From: =?utf-8?Q?Doe,_J?= <j@b.test>\r\n\r\n", {"j@b.test"}},
  };
  for (const Row& row : rows) {
    INFO(row.header);
    auto senders = header_senders(row.header, home);
    REQUIRE(senders);
    CHECK(addresses_of(*senders) == row.senders);
  }
  CHECK_FALSE(header_senders("From: a@b.test\r\nFrom: c@d.test\r\n\r\n", home));
}

TEST_CASE("the address of a login is its name, at mail_name when it has no domain") {
  CHECK(login_address("bob", home)->text() == "bob@example.org");
  CHECK(login_address("Bob@B.test", home)->text() == "Bob@B.test");
  CHECK(login_address("bob smith", home)->text() == "\"bob smith\"@example.org");
  CHECK_FALSE(login_address("bob@", home));
  CHECK_FALSE(login_address("", home));
  CHECK_FALSE(login_address("a\r\nb", home));
}

TEST_CASE("a large header costs linear time") {
  std::string header = whole + "From: a@b.test\r\n";
  for (int i = 0; i < 4000; ++i) header += "To: a (" + std::string(40, '(') + std::string(40, ')') + "), b@h.example.org\r\n";
  SubmissionFacts facts = facts_of();
  facts.masquerade = {"example.org"};
  auto result = rewrite_submission(header + "\r\n", facts);
  REQUIRE(result);
  CHECK(result->done == Lines{"To qualified", "To masqueraded"});
}

}  // namespace mansio::mail
