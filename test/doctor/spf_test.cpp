#include "doctor/spf.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "doctor/table_names.hpp"

using namespace mansio::doctor;
namespace dns = mansio::dns;

namespace {

SpfAnswer ask(TableNames& names, std::string address, std::string domain = "ex.test") {
  SpfQuestion question;
  question.address = std::move(address);
  question.domain = domain;
  question.sender = "strong-bad@" + domain;
  question.helo = "mx." + domain;
  return answer_of(evaluate_spf(names, std::move(question)));
}

std::string result(const std::string& record, const std::string& address) {
  TableNames names;
  names.txt("ex.test", {"other text", record});
  names.a("ex.test", {"192.0.2.10"}).aaaa("ex.test", {"2001:db8::10"});
  names.mx("ex.test", {{10, "mx.ex.test"}, {20, "mx2.ex.test"}}).a("mx.ex.test", {"192.0.2.1"}).a("mx2.ex.test", {"192.0.2.2"});
  names.txt("inc.test", {"v=spf1 ip4:198.51.100.0/24 -all"}).txt("soft.test", {"v=spf1 ~all"}).txt("broken.test", {"v=spf1 whatever"});
  names.trouble("slow.test", dns::Type::txt).trouble("slow.test", dns::Type::a);
  names.ptr("9.2.0.192.in-addr.arpa", {"host.ex.test"}).a("host.ex.test", {"192.0.2.9"});
  names.a("1.2.0.192.in-addr.known.test", {"127.0.0.2"});
  return std::string(word_of(ask(names, address).result));
}

}  // namespace

TEST_CASE("an SPF record against an address") {
  struct Row { const char* record; const char* address; const char* result; };
  for (const Row& row : {
           Row{"v=spf1 -all", "192.0.2.1", "fail"}, {"v=spf1 ~all", "192.0.2.1", "softfail"}, {"v=spf1 ?all", "192.0.2.1", "neutral"},
           {"v=spf1 +all", "192.0.2.1", "pass"}, {"v=spf1", "192.0.2.1", "neutral"}, {"v=spf10 -all", "192.0.2.1", "none"},
           {"V=SPF1 ALL", "192.0.2.1", "pass"}, {"v=spf1  ip4:192.0.2.1   -all", "192.0.2.1", "pass"}, {"v=spf1 ip4:192.0.2.1 -all", "192.0.2.2", "fail"},
           {"v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.255", "pass"}, {"v=spf1 ip4:192.0.2.0/25 -all", "192.0.2.255", "fail"},
           {"v=spf1 ip4:0.0.0.0/0 -all", "203.0.113.9", "pass"}, {"v=spf1 ip6:2001:db8::/32 -all", "2001:db8:1::1", "pass"},
           {"v=spf1 ip6:2001:db8::/32 -all", "2001:db9::1", "fail"}, {"v=spf1 ip6:::/0 -all", "192.0.2.1", "fail"},
           {"v=spf1 a -all", "192.0.2.10", "pass"}, {"v=spf1 a -all", "2001:db8::10", "pass"}, {"v=spf1 a/28 -all", "192.0.2.15", "pass"},
           {"v=spf1 a:mx.ex.test -all", "192.0.2.1", "pass"}, {"v=spf1 a//64 -all", "2001:db8::99", "pass"}, {"v=spf1 a/24//64 -all", "192.0.2.99", "pass"},
           {"v=spf1 mx -all", "192.0.2.2", "pass"}, {"v=spf1 mx -all", "192.0.2.3", "fail"}, {"v=spf1 -mx +all", "192.0.2.2", "fail"},
           {"v=spf1 include:inc.test -all", "198.51.100.7", "pass"}, {"v=spf1 include:inc.test ?all", "192.0.2.7", "neutral"},
           {"v=spf1 include:soft.test -all", "192.0.2.7", "fail"}, {"v=spf1 include:nothing.test -all", "192.0.2.7", "permerror"},
           {"v=spf1 include:broken.test -all", "192.0.2.7", "permerror"}, {"v=spf1 include:slow.test -all", "192.0.2.7", "temperror"},
           {"v=spf1 a:slow.test -all", "192.0.2.7", "temperror"}, {"v=spf1 redirect=inc.test", "198.51.100.7", "pass"},
           {"v=spf1 redirect=inc.test", "192.0.2.7", "fail"}, {"v=spf1 redirect=nothing.test", "192.0.2.7", "permerror"},
           {"v=spf1 redirect=inc.test all", "192.0.2.7", "pass"}, {"v=spf1 ptr -all", "192.0.2.9", "pass"}, {"v=spf1 ptr:other.test -all", "192.0.2.9", "fail"},
           {"v=spf1 exists:%{ir}.%{v}.known.test -all", "192.0.2.1", "pass"}, {"v=spf1 exists:%{ir}.%{v}.known.test -all", "192.0.2.2", "fail"},
           {"v=spf1 x=unknown-modifier -all", "192.0.2.1", "fail"}, {"v=spf1 include:ex.test -all", "192.0.2.1", "permerror"},
       }) {
    INFO(row.record << " for " << row.address);
    CHECK(result(row.record, row.address) == row.result);
  }
}

TEST_CASE("a record that can't be understood is a permanent error") {
  for (const char* record : {"v=spf1 ip4:192.0.2.1/33", "v=spf1 ip4:192.0.2", "v=spf1 ip4", "v=spf1 ip6:192.0.2.1", "v=spf1 include", "v=spf1 include:", "v=spf1 all:x",
                             "v=spf1 a/", "v=spf1 a/x", "v=spf1 a/024", "v=spf1 exists", "v=spf1 foo:bar", "v=spf1 redirect=", "v=spf1 redirect=a redirect=b",
                             "v=spf1 exists:%{x}.test", "v=spf1 exists:%{d0}.test", "v=spf1 exists:%{d", "v=spf1 exists:%d", "v=spf1 include:a.test/24"}) {
    INFO(record);
    CHECK(result(record, "192.0.2.1") == "permerror");
  }
  CHECK_FALSE(parse_spf(std::string_view("v=spf1 ip4:192.0.2.1\0x", 22)));
}

TEST_CASE("two records are one too many") {
  TableNames names;
  names.txt("ex.test", {"v=spf1 -all", "v=spf1 +all"});
  CHECK(ask(names, "192.0.2.1").result == SpfResult::permerror);
}

TEST_CASE("ten look-ups are allowed, eleven are not") {
  for (int count : {10, 11}) {
    TableNames names;
    std::string record = "v=spf1";
    for (int i = 0; i < count; ++i) {
      record += fmt::format(" a:h{}.test", i);
      names.a(fmt::format("h{}.test", i), {"198.51.100.1"});
    }
    names.txt("ex.test", {record + " -all"});
    auto answer = ask(names, "192.0.2.1");
    CHECK(answer.result == (count == 10 ? SpfResult::fail : SpfResult::permerror));
  }
}

TEST_CASE("a third look-up that finds nothing ends it") {
  TableNames names;
  names.txt("ex.test", {"v=spf1 a:x1.test a:x2.test -all"});
  CHECK(ask(names, "192.0.2.1").result == SpfResult::fail);
  names.txt("ex.test", {"v=spf1 a:x1.test a:x2.test a:x3.test -all"});
  CHECK(ask(names, "192.0.2.1").result == SpfResult::permerror);
}

TEST_CASE("more than ten MX hosts are an error") {
  TableNames names;
  std::vector<dns::Mx> hosts;
  for (std::uint16_t i = 0; i < 11; ++i) hosts.emplace_back(i, "mx.test");
  names.mx("ex.test", hosts).txt("ex.test", {"v=spf1 mx -all"});
  CHECK(ask(names, "192.0.2.1").result == SpfResult::permerror);
}

TEST_CASE("the answer says which term decided") {
  TableNames names;
  names.txt("ex.test", {"v=spf1 include:inc.test -all"}).txt("inc.test", {"v=spf1 ip4:192.0.2.0/24 -all"});
  auto answer = ask(names, "192.0.2.1");
  CHECK(answer.why == "\"include:inc.test\" of ex.test");
  CHECK(answer.record == "v=spf1 include:inc.test -all");
  CHECK(answer.look_ups == 1);
}

// RFC 7208 §7.4 has these.
TEST_CASE("macros are filled as the RFC's examples say") {
  SpfQuestion question;
  question.address = "192.0.2.3";
  question.domain = "email.example.com";
  question.sender = "strong-bad@email.example.com";
  question.helo = "mx.example.com";
  for (auto [spec, filled] : std::vector<std::pair<const char*, const char*>>{
           {"%{s}", "strong-bad@email.example.com"}, {"%{o}", "email.example.com"}, {"%{d}", "email.example.com"}, {"%{d4}", "email.example.com"},
           {"%{d3}", "email.example.com"}, {"%{d2}", "example.com"}, {"%{d1}", "com"}, {"%{dr}", "com.example.email"}, {"%{d2r}", "example.email"},
           {"%{l}", "strong-bad"}, {"%{l-}", "strong.bad"}, {"%{lr}", "strong-bad"}, {"%{lr-}", "bad.strong"}, {"%{l1r-}", "strong"},
           {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"}, {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
           {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"}, {"%{h}%%%_%-", "mx.example.com% %20"}}) {
    INFO(spec);
    auto got = expand_spf(spec, question, question.domain);
    REQUIRE(got);
    CHECK(*got == filled);
  }
  question.address = "2001:db8::cb01";
  auto got = expand_spf("%{ir}.%{v}._spf.%{d2}", question, question.domain);
  REQUIRE(got);
  CHECK(*got == "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
}
