#include "smtp/command.hpp"

#include <catch2/catch.hpp>

#include <limits>

using namespace mansio;
using namespace mansio::smtp;

namespace {

std::string with_nul(const char* before, const char* after) { return std::string(before) + '\0' + after; }

// "501 5.5.4", "501" without enhanced code, "ok"
std::string outcome(std::string_view line, bool smtputf8 = false) {
  auto command = parse_command(line, smtputf8);
  if (command) return "ok";
  std::string enhanced = command.error().enhanced_text();
  return std::to_string(command.error().code()) + (enhanced.empty() ? "" : " ") + enhanced;
}

template <class Arguments>
Arguments take(std::string_view line, bool smtputf8 = false) {
  auto command = parse_command(line, smtputf8);
  INFO(line);
  REQUIRE(command);
  REQUIRE(std::holds_alternative<Arguments>(command->arguments));
  return std::get<Arguments>(command->arguments);
}

}  // namespace

TEST_CASE("verbs are known in any case and trailing blanks are tolerated (R-003, R-007)") {
  CHECK(parse_command("mAiL fRoM:<>  \t", false)->verb == Verb::mail);
  CHECK(parse_command("data ", false)->verb == Verb::data);
  CHECK(take<HelloArguments>("ehlo   Client.example.org  ").name == "Client.example.org");
  CHECK(verb_of("MAIL nonsense") == Verb::mail);
  CHECK(verb_of("MAILX") == std::nullopt);
  CHECK(verb_name(Verb::starttls) == "STARTTLS");
  for (const char* bad : {"", " ", "MAILFROM:<>", " NOOP", "POST / HTTP/1.1", "Host: x", "EHLO\xff"}) {
    INFO(bad);
    CHECK(outcome(bad) == "500 5.5.2");
  }
}

TEST_CASE("EHLO takes a domain or a literal and nothing else (S-017, R-021)") {
  for (std::string good : {"EHLO a", "HELO client_1.test", "LHLO [192.0.2.1]", "EHLO [IPv6:2001:db8::1]", "EHLO [::1]", "EHLO 192.0.2.1", "EHLO a.test."}) {
    INFO(good);
    CHECK(outcome(good) == "ok");
  }
  for (std::string bad : {"EHLO", "HELO ", "EHLO a b", "EHLO a)", "EHLO (a", "EHLO a\\b", "EHLO \"a\"", "EHLO a;b", "EHLO [", "EHLO [1.2.3.4",
                          "EHLO \xc3\xa4.test", "EHLO a\xff", "EHLO () { :;}; touch /tmp/pwn", "EHLO -", "EHLO a\tb", "EHLO [::1%eth0]"}) {
    INFO(bad);
    CHECK(outcome(bad) == "501");
    CHECK(outcome(bad, true) == "501");
  }
  for (std::size_t n : {256, 1000, 12000}) CHECK(outcome("EHLO " + std::string(n, 'a')) == "501");
}

TEST_CASE("control bytes are refused in every command (S-015)") {
  for (std::string line : {with_nul("RCPT TO:<alice", "@evil.test>"), with_nul("MAIL FROM:<a", "b@evil.test>"), with_nul("EHLO a", "b"),
                           with_nul("DATA", ""), with_nul("", "NOOP"), std::string("NOOP a\rb"), std::string("NOOP \x7f"),
                           std::string("RCPT TO:<\"a\nb\"@x.test>"), std::string("NOOP a\x1b")}) {
    CHECK(outcome(line) == "500 5.5.2");
  }
}

TEST_CASE("MAIL and its reverse-path") {
  CHECK_FALSE(take<MailArguments>("MAIL FROM:<>").path);
  CHECK(take<MailArguments>("MAIL FROM:<Alice@Example.org>").path->text() == "Alice@Example.org");
  CHECK(take<MailArguments>("MAIL FROM: <a@b.test>").path->text() == "a@b.test");
  CHECK(take<MailArguments>("MAIL FROM:<@a.test,@b.test:u@d.test>").path->text() == "u@d.test");
  CHECK(take<MailArguments>("MAIL FROM:<@[IPv6:::1]:u@d.test>").path->text() == "u@d.test");
  CHECK(take<MailArguments>("MAIL FROM:<u@[IPv6:::1]>").path->domain().key() == "[IPv6:::1]");
  CHECK(take<MailArguments>("MAIL FROM:<\"a>b\"@c.test> SIZE=1").path->local().value() == "a>b");
  for (const char* bad : {"MAIL FROM:", "MAIL FROM:a@b.test", "MAIL FROM:<a@b.test", "MAIL FROM:<a>", "MAIL FROM:<@a.test:>", "MAIL FROM:<@a.test>",
                          "MAIL FROM:<a@b@c>", "MAIL FROM:<\"a@b.test>", "MAIL FROM:<() { :;};touch /tmp/pwn@evil.test>", "MAIL FROM:<a@-b.test>",
                          "MAIL FROM:<postmaster>", "MAIL FROM:<@a b:c@d.test>", "MAIL FROM:<<a@b.test>>", "MAIL FROM:< a@b.test>"}) {
    INFO(bad);
    CHECK(outcome(bad) == "501 5.1.7");
  }
  for (const char* bad : {"MAIL", "MAIL TO:<>", "MAIL FROM", "MAIL FROM:<a@b.test>\"=", "MAIL FROM:<a@b.test> =",
                          "MAIL FROM:<a@b.test>SIZE=1", "MAIL FROM:<a@b.test>>"}) {
    INFO(bad);
    CHECK(outcome(bad) == "501 5.5.4");
  }
  for (const char* bad : {"MAIL FROM:<x>\"=", "MAIL FROM:<x> =", "MAIL FROM:<x> A=\"", "MAIL FROM:<a@b.test> A==\""}) {   // S-025
    INFO(bad);
    CHECK(outcome(bad).starts_with("501 "));
  }
}

TEST_CASE("MAIL parameters are typed, each once, in any case (R-098, R-122, R-161)") {
  auto a = take<MailArguments>("MAIL FROM:<a@b.test> size=5000000000 Body=8bitMIME RET=hdrs ENVID=QQ+2B1 AUTH=<>");
  CHECK(a.size == 5'000'000'000);
  CHECK(a.body == mail::Body::eight_bit);
  CHECK(a.ret == mail::Return::headers);
  CHECK(a.envid == "QQ+2B1");
  CHECK(a.auth == "<>");
  CHECK(a.extended);
  CHECK_FALSE(take<MailArguments>("MAIL FROM:<a@b.test>").extended);
  CHECK(take<MailArguments>("MAIL FROM:<> SIZE=99999999999999999999").size == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(take<MailArguments>("MAIL FROM:<> SIZE").size);
  for (std::string bad : {"SIZE=", "SIZE=x", "SIZE=-1", "SIZE=100000000000000000000", "SIZE=1 SIZE=1", "BODY=9BIT", "BODY", "RET=ALL", "ENVID=a+0A",
                          "ENVID=a+0a", "ENVID=a+00", "ENVID=+FF", "ENVID=", "ENVID=a=b", "AUTH=x+0AX", "AUTH=+", "RET=FULL ret=FULL", "-=1", "A_B=1"}) {
    INFO(bad);
    CHECK(outcome("MAIL FROM:<a@b.test> " + bad) == "501 5.5.4");
  }
  CHECK(outcome("MAIL FROM:<a@b.test> ENVID=" + std::string(101, 'a')) == "501 5.5.4");
  for (std::string unknown : {"X=1", "XYZZY", "NOTIFY=NEVER", "SMTPUTF8"}) {
    INFO(unknown);
    CHECK(outcome("MAIL FROM:<a@b.test> " + unknown) == "555 5.5.4");
  }
}

TEST_CASE("non-ASCII addresses need SMTPUTF8 and valid UTF-8 (R-005, R-127, R-128)") {
  CHECK(take<MailArguments>("MAIL FROM:<\xc3\xa4@b.test> SMTPUTF8", true).smtputf8);
  CHECK(outcome("MAIL FROM:<\xc3\xa4@b.test>", true) == "553 5.6.7");
  CHECK(outcome("MAIL FROM:<\xc3\xa4@b.test>", false) == "501 5.5.2");
  CHECK(outcome("MAIL FROM:<\xe4@b.test> SMTPUTF8", true) == "501 5.5.2");
  CHECK(outcome("MAIL FROM:<\xc0\xae@b.test> SMTPUTF8", true) == "501 5.5.2");
  CHECK(outcome("MAIL FROM:<\xed\xa0\x80@b.test> SMTPUTF8", true) == "501 5.5.2");
  CHECK(outcome("MAIL FROM:<a@b.test> SMTPUTF8=x", true) == "501 5.5.4");
  CHECK(outcome("RCPT TO:<\xc3\xa4@b.test>", true) == "ok");
  CHECK(outcome("RCPT TO:<\xc3\xa4@b.test>", false) == "553 5.6.7");
  CHECK(outcome("RCPT TO:<\xff@b.test>", false) == "501 5.5.2");
  CHECK(take<TextArguments>("VRFY \xc3\xa4 SMTPUTF8", true).smtputf8);
  CHECK(outcome("VRFY \xc3\xa4", false) == "501 5.5.2");
  CHECK(outcome("NOOP \xc3\xa4", true) == "501 5.5.2");
}

TEST_CASE("RCPT and its parameters (R-037, R-039, R-161, R-164, S-013)") {
  CHECK_FALSE(take<RcptArguments>("RCPT TO:<PostMaster>").path);
  CHECK(take<RcptArguments>("RCPT TO:<@ex.test:x@evil.test>").path->domain().text() == "evil.test");
  auto a = take<RcptArguments>("RCPT TO:<b@c.test> NOTIFY=success,Delay ORCPT=rfc822;Bob+40c.test");
  CHECK(a.notify == (mail::Notify::success | mail::Notify::delay));
  CHECK(a.orcpt == "rfc822;Bob+40c.test");
  CHECK(take<RcptArguments>("RCPT TO:<b@c.test> NOTIFY=never").notify == mail::Notify::never);
  CHECK(take<RcptArguments>("RCPT TO:<b@c.test> ORCPT=utf-8;j\xc3\xb6@c.test", true).orcpt == "utf-8;j\xc3\xb6@c.test");
  // What postfix makes of a UTF-8 address: octets that are UTF-8 once decoded.
  CHECK(take<RcptArguments>("RCPT TO:<b@c.test> ORCPT=rfc822;j+C3+B6@c.test").orcpt == "rfc822;j+C3+B6@c.test");
  for (std::string bad : {"NOTIFY", "NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=NEVER,NEVER", "NOTIFY=SUCCESS,", "NOTIFY=x", "ORCPT=a@b", "ORCPT=rfc822;",
                          "ORCPT=;a", "ORCPT=rfc822;a+0D+0AX-Evil:+20y", "ORCPT=rfc822;a+00", "ORCPT=rfc822;a+zz", "ORCPT=rfc822;a+C3", "ORCPT=r f;a",
                          "NOTIFY=DELAY NOTIFY=DELAY", "ORCPT=utf-8;\xc3\xa4"}) {
    INFO(bad);
    CHECK(outcome("RCPT TO:<b@c.test> " + bad).starts_with("501 5.5.4"));
  }
  CHECK(outcome("RCPT TO:<b@c.test> ORCPT=rfc822;" + std::string(500, 'a')) == "501 5.5.4");
  CHECK(outcome("RCPT TO:<b@c.test> SIZE=1") == "555 5.5.4");
  for (std::string bad : {std::string("<>"), std::string("<alice>"), std::string("x\""), "(\")a@ex.test(" + std::string(16000, 'A'), std::string("<alice@ex.test(@evil.test)>"),
                          std::string("<alice@ex.test\\@evil.test>"), std::string("<a..b@c.test>"), std::string("<|/bin/sh @ex.test>")}) {
    INFO(bad);
    CHECK(outcome("RCPT TO:" + bad) == "501 5.1.3");
  }
  CHECK(take<RcptArguments>("RCPT TO:<\"a;touch /tmp/pwn\"@ex.test>").path->local().value() == "a;touch /tmp/pwn");
  CHECK(take<RcptArguments>("RCPT TO:<\"alice@ex.test x\"@evil.test>").path->domain().text() == "evil.test");
}

TEST_CASE("BDAT takes a size and LAST") {
  CHECK(take<BdatArguments>("BDAT 86 LAST").last);
  CHECK(take<BdatArguments>("bdat 86 last").size == 86);
  CHECK_FALSE(take<BdatArguments>("BDAT 0").last);
  CHECK(take<BdatArguments>("BDAT 99999999999999999999").size == std::numeric_limits<std::uint64_t>::max());
  for (const char* bad : {"BDAT", "BDAT x", "BDAT -1", "BDAT 1 LASTX", "BDAT 1 LAST x", "BDAT LAST", "BDAT 1LAST"}) {
    INFO(bad);
    CHECK(outcome(bad) == "501 5.5.4");
  }
}

TEST_CASE("commands without arguments refuse one, others need one") {
  for (const char* bad : {"DATA x", "RSET x", "QUIT x", "STARTTLS x", "VRFY", "EXPN", "ETRN", "AUTH", "AUTH a b c", "AUTH =", "AUTH " "aaaaaaaaaaaaaaaaaaaaa"}) {
    INFO(bad);
    CHECK(outcome(bad) == "501 5.5.4");
  }
  CHECK(take<TextArguments>("NOOP any thing").text == "any thing");
  CHECK(take<TextArguments>("HELP").text.empty());
  auto queue = take<EtrnArguments>("ETRN #',1); DROP");
  CHECK(queue.text == "#',1); DROP");
  CHECK(queue.node == EtrnArguments::Node::queue);
  auto below = take<EtrnArguments>("etrn @Ex.Test");
  CHECK(below.node == EtrnArguments::Node::below);
  CHECK(below.name == "ex.test");
  CHECK(below.text == "@Ex.Test");
  CHECK(take<AtrnArguments>("ATRN").domains.empty());
  CHECK(take<AtrnArguments>("ATRN a.test, B.test").domains == std::vector<std::string>{"a.test", "b.test"});
  auto a = take<AuthArguments>("auth plain =");
  CHECK(a.mechanism == "PLAIN");
  REQUIRE(a.initial);
  CHECK(a.initial->view() == "=");
  CHECK_FALSE(take<AuthArguments>("AUTH LOGIN").initial);
}

TEST_CASE("in a submission an address without a domain gets one, and nothing else does") {
  auto path = [](const char* line) {
    auto command = parse_command(line, false, "ex.test");
    if (!command) return std::to_string(command.error().code());
    const auto& address = command->verb == Verb::mail ? std::get<MailArguments>(command->arguments).path : std::get<RcptArguments>(command->arguments).path;
    return address ? address->text() : std::string("<>");
  };
  CHECK(path("MAIL FROM:<bob>") == "bob@ex.test");
  CHECK(path("RCPT TO:<bob.b+c> NOTIFY=NEVER") == "bob.b+c@ex.test");
  CHECK(path("RCPT TO:<\"b b\">") == "\"b b\"@ex.test");
  CHECK(path("RCPT TO:<bob@far.test>") == "bob@far.test");
  CHECK(path("MAIL FROM:<>") == "<>");
  CHECK(path("RCPT TO:<PostMaster>") == "<>");
  for (const char* wrong : {"RCPT TO:<>", "RCPT TO:<bob@>", "RCPT TO:<@bob>", "RCPT TO:<a b>", "RCPT TO:<bob..b>", "RCPT TO:<\"b@b>", "MAIL FROM:<.>"}) {
    CHECK(path(wrong) == "501");
  }
  CHECK(parse_command("RCPT TO:<bob>", false).error().code() == 501);
}
