#include "doctor/checks.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include <functional>

#include "config/reader.hpp"
#include "doctor/records.hpp"
#include "doctor/relay.hpp"
#include "doctor/table_names.hpp"

using namespace mansio::doctor;
namespace dns = mansio::dns;
namespace config = mansio::config;

namespace {

Subject subject_with(const std::string& more = "") {
  auto parsed = config::parse({config::Source{"/etc/mansio/mansio.conf", "version = 1; host_name = \"mx.ex.test\"; mail_name = \"ex.test\"; " + more}}, {});
  REQUIRE(parsed);
  Subject out;
  out.config = *parsed;
  out.addresses = {"192.0.2.1"};
  out.interfaces = {"127.0.0.1", "192.0.2.1"};
  out.domains = {"ex.test"};
  return out;
}

// A site as it should be.
TableNames good_names() {
  TableNames names;
  names.a("mx.ex.test", {"192.0.2.1"}).ptr("1.2.0.192.in-addr.arpa", {"mx.ex.test"}).mx("ex.test", {{10, "mx.ex.test"}});
  names.txt("ex.test", {"v=spf1 mx -all"}).txt("_dmarc.ex.test", {"v=DMARC1; p=reject"});
  return names;
}

std::string told(const Findings& findings) {
  std::string out;
  for (const Finding& finding : findings) out += fmt::format("{}{} {}", out.empty() ? "" : "\n", word_of(finding.state), finding.seen);
  return out;
}

}  // namespace

TEST_CASE("a site as it should be has nothing to mend") {
  Subject subject = subject_with();
  TableNames names = good_names();
  CHECK(told(answer_of(check_reverse(names, subject))) == "ok 192.0.2.1 is mx.ex.test, and mx.ex.test is 192.0.2.1");
  CHECK(told(answer_of(check_helo(names, subject))) == "ok mx.ex.test is 192.0.2.1");
  CHECK(told(answer_of(check_mx(names, subject, "ex.test"))) == "ok ex.test: 10 mx.ex.test");
  CHECK(told(answer_of(check_spf(names, subject, "ex.test"))) == "ok ex.test for 192.0.2.1: pass: \"mx\" of ex.test");
  CHECK(told(answer_of(check_dmarc(names, "ex.test"))) == "ok _dmarc.ex.test: v=DMARC1; p=reject");
  CHECK(told(answer_of(check_dmarc(names, "below.ex.test"))) == "ok _dmarc.ex.test: v=DMARC1; p=reject");
}

TEST_CASE("what can't be asked is skipped, never bad") {
  Subject subject = subject_with();
  TableNames names;
  for (const char* name : {"mx.ex.test", "ex.test", "_dmarc.ex.test", "1.2.0.192.in-addr.arpa"}) {
    for (dns::Type type : {dns::Type::a, dns::Type::aaaa, dns::Type::mx, dns::Type::txt, dns::Type::ptr}) names.trouble(name, type);
  }
  for (const Findings& findings : {answer_of(check_reverse(names, subject)), answer_of(check_helo(names, subject)), answer_of(check_mx(names, subject, "ex.test")),
                                   answer_of(check_spf(names, subject, "ex.test")), answer_of(check_dmarc(names, "ex.test"))}) {
    REQUIRE(findings.size() == 1);
    INFO(findings[0].name << ": " << findings[0].seen);
    CHECK(findings[0].state == State::skipped);
  }
  subject.addresses.clear();
  CHECK(told(answer_of(check_reverse(names, subject))) == "skipped the public address is not known");
}

TEST_CASE("each trouble of reverse DNS has its words") {
  Subject subject = subject_with();
  TableNames names;
  CHECK(told(answer_of(check_reverse(names, subject))) == "bad 192.0.2.1 has no PTR record");
  names.ptr("1.2.0.192.in-addr.arpa", {"pool-1.provider.test"});
  CHECK(told(answer_of(check_reverse(names, subject))) == "bad 192.0.2.1 is pool-1.provider.test, but that name does not lead back to it");
  names.a("pool-1.provider.test", {"192.0.2.1"});
  CHECK(told(answer_of(check_reverse(names, subject))) == "warning 192.0.2.1 is pool-1.provider.test, and pool-1.provider.test is 192.0.2.1");
}

TEST_CASE("each trouble of MX records has its words") {
  Subject subject = subject_with();
  struct Row { std::function<void(TableNames&)> make; const char* told; };
  for (const Row& row : {
           Row{[](TableNames&) {}, "bad ex.test has no MX record"},
           Row{[](TableNames& n) { n.a("ex.test", {"192.0.2.1"}); }, "note ex.test has no MX record, but its address is ours, and stands in for it"},
           Row{[](TableNames& n) { n.mx("ex.test", {{0, ""}}); }, "bad ex.test says that it takes no mail (a null MX, RFC 7505)"},
           Row{[](TableNames& n) { n.mx("ex.test", {{10, "mx.ex.test"}}); }, "bad ex.test: its MX host mx.ex.test has no address"},
           Row{[](TableNames& n) { n.mx("ex.test", {{10, "mx.ex.test"}}).a("mx.ex.test", {"192.0.2.9"}); }, "bad ex.test: 10 mx.ex.test: none of them is this machine"},
           Row{[](TableNames& n) { n.mx("ex.test", {{10, "mx.ex.test"}}).a("mx.ex.test", {"192.0.2.1"}).cname("mx.ex.test", "real.ex.test"); },
               "bad ex.test: its MX host mx.ex.test is an alias of real.ex.test\nok ex.test: 10 mx.ex.test"},
           Row{[](TableNames& n) { n.mx("ex.test", {{20, "mx.ex.test"}, {10, "other.test"}}).a("mx.ex.test", {"192.0.2.1"}).a("other.test", {"192.0.2.9"}); },
               "note ex.test: 10 other.test, 20 mx.ex.test: another host comes before this one"},
       }) {
    TableNames names;
    row.make(names);
    CHECK(told(answer_of(check_mx(names, subject, "ex.test"))) == row.told);
  }
}

TEST_CASE("SPF that does not let us through is bad, and a smart host's is its own matter") {
  Subject subject = subject_with();
  TableNames names = good_names();
  names.txt("ex.test", {"v=spf1 ip4:198.51.100.1 -all"});
  auto found = answer_of(check_spf(names, subject, "ex.test"));
  CHECK(told(found) == "bad ex.test for 192.0.2.1: fail: \"all\" of ex.test");
  names.txt("ex.test", {});
  CHECK(told(answer_of(check_spf(names, subject, "ex.test"))) == "warning ex.test for 192.0.2.1: none: ex.test has no SPF record");
  Subject smart = subject_with("transports = { s = { kind = \"smtp\"; hosts = [ \"smtp.test\" ]; }; }; routes = ( { name = \"all\"; domains = [ \"*\" ]; transport = \"s\"; } );");
  CHECK(answer_of(check_spf(names, smart, "ex.test")).front().state == State::note);
}

TEST_CASE("a blocklist is asked backwards, and its refusal to answer is no listing") {
  Subject subject = subject_with();
  subject.blocklists = {"list.test", "shy.test", "clean.test"};
  TableNames names;
  names.a("1.2.0.192.list.test", {"127.0.0.2"}).a("1.2.0.192.shy.test", {"127.255.255.254"});
  CHECK(told(answer_of(check_blocklists(names, subject))) == "bad 192.0.2.1 is on list.test (127.0.0.2)\nskipped shy.test does not answer this resolver's questions\n"
                                                             "ok 192.0.2.1 is not on clean.test");
}

TEST_CASE("the public address is given, routed, or what DNS says, never a private one") {
  TableNames names;
  Subject subject = subject_with();
  CHECK(told(answer_of(find_addresses(names, subject))) == "ok 192.0.2.1 (as given)");
  subject.addresses.clear();
  subject.routed = {"10.0.0.5", "2a01:db8::5"};
  CHECK(told(answer_of(find_addresses(names, subject))) == "ok 2a01:db8::5 (of the default route)");
  subject.addresses.clear();
  subject.routed = {"10.0.0.5"};
  names.a("mx.ex.test", {"9.9.9.9", "192.168.1.1"});
  CHECK(told(answer_of(find_addresses(names, subject))) == "ok 9.9.9.9 (as DNS says of mx.ex.test)");
  subject.addresses.clear();
  TableNames others;
  others.mx("ex.test", {{10, "mail.test"}}).a("mail.test", {"9.9.9.8"});
  CHECK(told(answer_of(find_addresses(others, subject))) == "ok 9.9.9.8 (as the MX records of ex.test say)");
  subject.addresses.clear();
  TableNames nothing;
  CHECK(answer_of(find_addresses(nothing, subject)).front().state == State::skipped);
}

TEST_CASE("a stranger's viewpoint is an address that may not relay") {
  Subject subject = subject_with("listeners = ( { address = \"*\"; port = 25; }, { address = \"127.0.0.1\"; port = 2525; }, { address = \"127.0.0.1\"; port = 0; } );");
  auto view = viewpoint_of(*subject.config, subject.config->listeners[0], subject.interfaces);
  CHECK(view.stranger.address == "192.0.2.1");
  CHECK(view.any.address == "192.0.2.1");
  view = viewpoint_of(*subject.config, subject.config->listeners[1], subject.interfaces);
  CHECK(view.any.address == "127.0.0.1");
  CHECK(view.stranger.address.empty());
  CHECK(viewpoint_of(*subject.config, subject.config->listeners[2], subject.interfaces).any.address.empty());
}

TEST_CASE("a configuration that lets everybody relay, or shuts this machine out, is told of") {
  struct Row {
    const char* more;
    const char* told;
  };
  for (const Row& row : {
           Row{"", "ok relay_from names no more than some clients, and programs of this machine may connect"},
           Row{"relay_from = [ \"127.0.0.1\", \"0.0.0.0/0\" ];", "bad listeners[0] (* port 25): relay_from has \"0.0.0.0/0\": everybody who connects may send mail to anywhere"},
           Row{"listeners = ( { port = 25; relay_from = [ \"*\" ]; } );", "bad listeners[0] (* port 25): relay_from has \"*\": everybody who connects may send mail to anywhere"},
           Row{"relay_from = [ \"*\" ]; listeners = ( { address = \"127.0.0.1\"; port = 25; } );",
               "note listeners[0] (127.0.0.1 port 25): relay_from has \"*\": everybody who connects may send mail to anywhere"},
           Row{"relay_from = [ \"*\" ]; access = { allow = [ \"127.0.0.0/8\" ]; };", "note listeners[0] (* port 25): relay_from has \"*\": everybody who connects may send mail to anywhere"},
           Row{"access = { deny = [ \"127.0.0.1\" ]; };",
               "note listeners[0] (* port 25): programs of this machine that connect to 127.0.0.1 are refused; sendmail(8) and unix sockets are not affected"},
       }) {
    INFO(row.more);
    CHECK(told(check_access(*subject_with(row.more).config)) == row.told);
  }
}

TEST_CASE("a stranger tries the classic tricks") {
  std::string all;
  for (const RelayTry& one : relay_tries("example.com", "ex.test", "192.0.2.1")) all += one.sender + ">" + one.recipient + (one.foreign ? "!\n" : "\n");
  for (const char* trick : {"doctor@example.com>relay-test@example.com!", ">relay-test@example.com!", "doctor@example.com>relay-test%example.com@ex.test",
                            "doctor@example.com>\"relay-test@example.com\"@ex.test", "doctor@example.com>@ex.test:relay-test@example.com!",
                            "doctor@example.com>example.com!relay-test!", "doctor@ex.test>relay-test@example.com!", "doctor@[192.0.2.1]>relay-test@example.com!"}) {
    INFO(trick);
    CHECK(("\n" + all).find("\n" + std::string(trick) + "\n") != std::string::npos);
  }
}

TEST_CASE("the records of a site that has none are all to be published") {
  Subject subject = subject_with();
  TableNames names;
  std::string zone;
  for (const Record& record : answer_of(find_records(names, subject))) zone += fmt::format("{} ; {}\n", record.line(), word_of(record.published));
  CHECK(zone == "mx.ex.test. IN A 192.0.2.1 ; missing\n"
                "1.2.0.192.in-addr.arpa. IN PTR mx.ex.test. ; missing\n"
                "ex.test. IN MX 10 mx.ex.test. ; missing\n"
                "ex.test. IN TXT \"v=spf1 mx -all\" ; missing\n"
                "_dmarc.ex.test. IN TXT \"v=DMARC1; p=none; rua=mailto:postmaster@ex.test\" ; missing\n"
                "_smtp._tls.ex.test. IN TXT \"v=TLSRPTv1; rua=mailto:postmaster@ex.test\" ; suggestion\n");
}

TEST_CASE("records that are there, and records that differ") {
  Subject subject = subject_with();
  TableNames names = good_names();
  for (const Record& record : answer_of(find_records(names, subject))) {
    INFO(record.line());
    CHECK((record.published == Published::there || record.published == Published::suggestion));
  }
  names.ptr("1.2.0.192.in-addr.arpa", {"pool.test"}).txt("ex.test", {"v=spf1 include:other.test ~all"}).txt("other.test", {"v=spf1 -all"});
  auto records = answer_of(find_records(names, subject));
  CHECK(records[1].published == Published::differs);
  CHECK(records[1].seen == std::vector<std::string>{"pool.test"});
  CHECK(records[3].line() == "ex.test. IN TXT \"v=spf1 ip4:192.0.2.1 include:other.test ~all\"");
  CHECK(records[3].published == Published::differs);
  CHECK(records[3].seen == std::vector<std::string>{"\"v=spf1 include:other.test ~all\""});
}

TEST_CASE("long and odd text stands in a zone file as it must") {
  CHECK(txt_data("a\"b\\c\x01") == "\"a\\\"b\\\\c\\001\"");
  CHECK(txt_data(std::string(300, 'x')) == "\"" + std::string(255, 'x') + "\" \"" + std::string(45, 'x') + "\"");
  CHECK(txt_data("") == "\"\"");
}

TEST_CASE("names of reverse DNS") {
  CHECK(reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa");
  CHECK(reverse_name("2001:db8::1") == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
  CHECK(reverse_name("x").empty());
}

TEST_CASE("domains that others know") {
  Subject subject = subject_with("domains = { local = [ \"ex.test\", \"localhost\", \"*.ex.test\", \"box\", \"file:/x\", \"[192.0.2.1]\", \"printer.local\" ]; };");
  CHECK(public_domains(*subject.config) == std::vector<std::string>{"ex.test"});
}
