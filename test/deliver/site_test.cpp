#include "deliver/site.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <map>
#include <optional>

#include "event/run_ready.hpp"

namespace mansio::deliver {
namespace {

using dns::Outcome;
using dns::Type;
using Lines = std::vector<std::string>;

// A name system in memory. What isn't in it: NXDOMAIN for a name without any record, else no data.
class Zone final : public NameQuestions {
 public:
  event::Task<std::shared_ptr<const dns::Answer>> ask(std::string name, Type type) override {
    questions.push_back(fmt::format("{} {}", name, static_cast<int>(type)));
    auto it = answers.find({name, type});
    if (it != answers.end()) co_return it->second;
    auto none = std::make_shared<dns::Answer>();
    auto first = answers.lower_bound({name, Type::a});
    none->outcome = first != answers.end() && first->first.first == name ? Outcome::no_data : Outcome::nxdomain;
    co_return none;
  }
  Zone& mx(const std::string& name, std::vector<std::pair<std::uint16_t, std::string>> hosts, bool secure = false) {
    auto& answer = make(name, Type::mx);
    for (auto& [preference, host] : hosts) answer.mx.emplace_back(preference, host);
    answer.secure = secure;
    return *this;
  }
  Zone& at(const std::string& name, Lines addresses) {
    for (auto& address : addresses) make(name, address.find(':') == std::string::npos ? Type::a : Type::aaaa).addresses.push_back(address);
    return *this;
  }
  Zone& fails(const std::string& name, Type type, Outcome outcome = Outcome::failed) {
    make(name, type).outcome = outcome;
    return *this;
  }
  std::map<std::pair<std::string, Type>, std::shared_ptr<dns::Answer>> answers;
  Lines questions;

 private:
  dns::Answer& make(const std::string& name, Type type) {
    auto& answer = answers[{name, type}];
    if (!answer) answer = std::make_shared<dns::Answer>();
    answer->outcome = Outcome::found;
    answer->name = name;
    return *answer;
  }
};

OwnAddresses own_addresses() {
  OwnAddresses own;
  own.names = {"me.test"};
  event::Endpoint listener;
  listener.address = "*";
  listener.port = 25;
  own.listeners.push_back(listener);
  listener.address = "192.0.2.9";
  listener.port = 2525;
  own.listeners.push_back(listener);
  own.interfaces = {"192.0.2.1", "2001:db8::1"};
  return own;
}

struct Finding {
  Zone zone;
  std::shared_ptr<config::Transport> transport = std::make_shared<config::Transport>();
  SiteFinder finder{zone, own_addresses(), 1};

  Finding() {
    transport->name = "internet";
    transport->kind = config::TransportKind::smtp;
    for (const char* name : {"a.mx", "b.mx", "c.mx"}) zone.at(name, {fmt::format("203.0.113.{}", name[0] - 'a' + 1)});
  }

  SiteAnswer answer(const std::string& domain) { return event::run_ready(finder.find(transport, mail::Domain::parse(domain).value())); }

  // "host:port host:port", or the status.
  std::string find(const std::string& domain) {
    auto found = answer(domain);
    if (!found.status.ok()) {
      CHECK(found.site.hosts.empty());
      return found.status.line();
    }
    std::string out;
    for (const auto& host : found.site.hosts) out += fmt::format("{}{}:{}", out.empty() ? "" : " ", host.name, host.port);
    return out;
  }

  std::string code(const std::string& domain) {
    std::string line = find(domain);
    return line.substr(0, line.find(' ', 4));
  }

  std::string addresses(const std::string& name, std::uint16_t port = 25, bool from_mx = true, bool literal = false) {
    SiteHost host(name, port, 0, literal);
    host.from_mx = from_mx;
    auto found = event::run_ready(finder.addresses(transport, host));
    if (!found.status.ok()) return found.status.line();
    std::string out;
    for (const auto& endpoint : found.endpoints) {
      CHECK(endpoint.port == port);
      out += (out.empty() ? "" : " ") + endpoint.address;
    }
    return out;
  }
};

}  // namespace

TEST_CASE("MX hosts are tried by preference, and the domain's own address never while it has MX") {
  Finding f;
  f.zone.mx("x.test", {{20, "b.mx"}, {10, "a.mx"}, {30, "c.mx"}}, true).at("x.test", {"203.0.113.99"});
  auto answer = f.answer("X.test");
  REQUIRE(answer.site.hosts.size() == 3);
  CHECK(f.find("x.test") == "a.mx:25 b.mx:25 c.mx:25");
  CHECK(answer.site.key == "internet a.mx:25,b.mx:25,c.mx:25");
  CHECK(answer.site.hosts[1].preference == 20);
  CHECK(answer.site.hosts[1].from_mx);
  CHECK(answer.site.hosts[1].secure);
  CHECK_FALSE(answer.site.hosts[1].literal);
  f.zone.mx("dead.test", {{10, "nowhere.mx"}}).at("dead.test", {"203.0.113.99"});
  CHECK(f.find("dead.test") == "550 5.4.4 host nowhere.mx has no address");
  CHECK(std::ranges::find(f.zone.questions, "x.test 1") == f.zone.questions.end());
}

TEST_CASE("MX hosts of equal preference come in every order equally often") {
  Finding f;
  f.zone.mx("x.test", {{10, "a.mx"}, {10, "b.mx"}, {10, "c.mx"}, {5, "first.mx"}}).at("first.mx", {"203.0.113.4"});
  std::map<std::string, int> orders;
  std::string key = f.answer("x.test").site.key;
  for (int i = 0; i < 1200; ++i) {
    ++orders[f.find("x.test")];
    if (i % 100 == 0) CHECK(f.answer("x.test").site.key == key);
  }
  CHECK(key == "internet first.mx:25,a.mx:25,b.mx:25,c.mx:25");
  REQUIRE(orders.size() == 6);
  double chi_square = 0;
  for (const auto& [order, count] : orders) {
    CHECK(order.starts_with("first.mx:25 "));
    chi_square += (count - 200.0) * (count - 200.0) / 200.0;
  }
  CHECK(chi_square < 20.5);      // 5 degrees of freedom: one run in a thousand
}

TEST_CASE("what the name system says about a domain decides between another way, waiting and a bounce") {
  Finding f;
  f.zone.at("host.test", {"203.0.113.7"});
  CHECK(f.find("host.test") == "host.test:25");                              // implicit MX
  CHECK(f.answer("host.test").site.hosts[0].from_mx);
  CHECK(f.find("none.test") == "550 5.1.2 there is no domain none.test");
  f.zone.mx("null.test", {{0, ""}});
  CHECK(f.find("null.test") == "556 5.1.10 null.test does not accept mail (null MX)");
  f.zone.mx("odd.test", {{0, ""}, {10, "a.mx"}});
  CHECK(f.find("odd.test") == "a.mx:25");                                    // "." beside others is no host
  f.zone.fails("text.test", Type::txt, Outcome::found);
  CHECK(f.find("text.test") == "550 5.4.4 host text.test has no address");
  f.zone.fails("bad.test", Type::mx).at("bad.test", {"203.0.113.8"});
  CHECK(f.find("bad.test") == "451 4.4.3 bad.test: the name servers could not answer (SERVFAIL)");    // never the address
  f.zone.fails("late.test", Type::mx, Outcome::timed_out);
  CHECK(f.find("late.test") == "451 4.4.3 late.test: the name servers did not answer in time");
  f.zone.fails("full.test", Type::mx, Outcome::no_resources);
  CHECK(f.code("full.test") == "451 4.3.0");
  f.zone.mx("xn--bcher-kva.test", {{1, "b.mx"}});
  CHECK(f.find("b\xc3\xbc" "cher.test") == "b.mx:25");
  f.zone.at("xn--bcher-kva.example", {"203.0.113.3"});
  CHECK(f.find("B\xc3\xbc" "cher.example") == "xn--bcher-kva.example:25");
}

TEST_CASE("MX hosts that can't be resolved now make mail wait, and only proven absence of all bounces it") {
  struct Row {
    const char *first, *second;      // hosts at preference 10 and 20
    const char* want;
  };
  const Row rows[] = {
    {"a.mx", "b.mx", "a.mx:25 b.mx:25"},         {"a.mx", "absent.mx", "a.mx:25"},          {"absent.mx", "b.mx", "b.mx:25"},
    {"fails.mx", "b.mx", "fails.mx:25 b.mx:25"}, {"a.mx", "fails.mx", "a.mx:25 fails.mx:25"}, {"half.mx", "absent.mx", "half.mx:25"},
    {"fails.mx", "late.mx", "451 4.4.3"},        {"absent.mx", "fails.mx", "451 4.4.3"},    {"fails.mx", "empty.mx", "451 4.4.3"},
    {"absent.mx", "empty.mx", "550 5.4.4"},      {"1.2.3.4", "a.mx", "a.mx:25"},            {"1.2.3.4", "absent.mx", "550 5.4.4"},
    {"unsure.mx", "absent.mx", "451 4.4.3"},     {"loop.mx", "b.mx", "b.mx:25"},            {"loop.mx", "absent.mx", "550 5.4.4"},
  };
  Finding f;
  f.zone.fails("fails.mx", Type::a).fails("fails.mx", Type::aaaa);
  f.zone.fails("late.mx", Type::a, Outcome::timed_out).fails("late.mx", Type::aaaa, Outcome::timed_out);
  f.zone.at("half.mx", {"203.0.113.5"}).fails("half.mx", Type::aaaa);
  f.zone.fails("unsure.mx", Type::aaaa);                                     // no A, and AAAA unknown
  f.zone.fails("empty.mx", Type::txt, Outcome::found);
  f.zone.at("loop.mx", {"169.254.169.254", "0.0.0.0"});
  for (const Row& row : rows) {
    INFO(row.first << " " << row.second);
    f.zone.mx("x.test", {});
    f.zone.answers[{"x.test", Type::mx}]->mx.clear();
    f.zone.mx("x.test", {{10, row.first}, {20, row.second}});
    std::string want = row.want;
    CHECK((want.find(".mx") == std::string::npos ? f.code("x.test") : f.find("x.test")) == want);
  }
}

TEST_CASE("the name servers of spare hosts are not waited for without end") {
  Finding f;
  f.zone.mx("x.test", {{10, "a.mx"}, {20, "f1.mx"}, {20, "f2.mx"}, {30, "f3.mx"}, {40, "f4.mx"}});
  for (const char* name : {"f1.mx", "f2.mx", "f3.mx", "f4.mx"}) f.zone.fails(name, Type::a).fails(name, Type::aaaa);
  CHECK(f.answer("x.test").site.hosts.size() == 5);
  CHECK(f.zone.questions.size() == 7);
}

TEST_CASE("of each look-up the time to live and DNSSEC's word are kept, of several the shortest and the worst") {
  Finding f;
  using std::chrono::seconds;
  f.zone.mx("d.test", {{10, "a.mx"}}, true).at("a.mx", {"2001:db8::5"});
  f.zone.answers[{"d.test", Type::mx}]->ttl = seconds(300);
  f.zone.answers[{"a.mx", Type::a}]->ttl = seconds(60);
  f.zone.answers[{"a.mx", Type::aaaa}]->ttl = seconds(90);
  auto host = f.answer("d.test").site.hosts.at(0);
  CHECK(host.ttl == seconds(300));
  CHECK(host.secure);
  auto found = event::run_ready(f.finder.addresses(f.transport, host));
  CHECK(found.ttl == seconds(60));
  CHECK_FALSE(found.secure);
  f.zone.answers[{"a.mx", Type::a}]->secure = true;
  CHECK_FALSE(event::run_ready(f.finder.addresses(f.transport, host)).secure);
  f.zone.answers[{"a.mx", Type::aaaa}]->secure = true;
  CHECK(event::run_ready(f.finder.addresses(f.transport, host)).secure);
  SiteHost literal("203.0.113.7", 25, 0, true);
  CHECK(event::run_ready(f.finder.addresses(f.transport, literal)).ttl == seconds(0));
}

TEST_CASE("this host in the list takes equal and worse ones out, known by name or by address") {
  Finding f;
  f.zone.at("alias.mx", {"203.0.113.40", "192.0.2.1"}).at("six.mx", {"2001:db8::1"}).at("loopback.mx", {"127.0.0.1"}).at("me.test", {"203.0.113.41"});
  struct Row {
    std::vector<std::pair<std::uint16_t, std::string>> mx;
    const char* want;
  };
  const std::string nobody = "550 5.4.6 the best mail exchanger of x.test is this host, which does not take its mail";
  const Row rows[] = {
    {{{10, "a.mx"}, {20, "me.test"}, {30, "b.mx"}}, "a.mx:25"},     {{{10, "a.mx"}, {20, "b.mx"}, {20, "me.test"}, {20, "c.mx"}}, "a.mx:25"},
    {{{10, "a.mx"}, {20, "alias.mx"}, {30, "b.mx"}}, "a.mx:25"},    {{{10, "a.mx"}, {20, "six.mx"}, {20, "b.mx"}}, "a.mx:25"},
    {{{10, "a.mx"}, {20, "loopback.mx"}, {30, "b.mx"}}, "a.mx:25"}, {{{10, "me.test"}, {20, "b.mx"}}, nullptr},
    {{{10, "alias.mx"}, {10, "b.mx"}, {10, "c.mx"}}, nullptr},      {{{10, "absent.mx"}, {20, "alias.mx"}, {30, "c.mx"}}, nullptr},
  };
  for (const Row& row : rows) {
    f.zone.mx("x.test", {});
    f.zone.answers[{"x.test", Type::mx}]->mx.clear();
    f.zone.mx("x.test", row.mx);
    for (int i = 0; i < 5; ++i) CHECK(f.find("x.test") == (row.want == nullptr ? nobody : row.want));
  }
  CHECK(f.code("me.test") == "550 5.4.6");                                   // implicit MX
  f.zone.at("here.test", {"192.0.2.1"});
  CHECK(f.code("here.test") == "550 5.4.6");
  f.zone.fails("fails.mx", Type::a).fails("fails.mx", Type::aaaa).mx("y.test", {{10, "fails.mx"}, {20, "me.test"}});
  CHECK(f.code("y.test") == "451 4.4.3");                                    // the better one may come back
}

TEST_CASE("an address is ours by the listener's address and port") {
  OwnAddresses own = own_addresses();
  struct Row {
    const char* address;
    std::uint16_t port;
    bool ours;
  };
  const Row rows[] = {{"192.0.2.1", 25, true},     {"2001:db8::1", 25, true}, {"127.0.0.1", 25, true},  {"127.3.2.1", 25, true}, {"::1", 25, true},
                      {"::ffff:192.0.2.1", 25, true}, {"0.0.0.0", 25, false},  {"192.0.2.2", 25, false}, {"192.0.2.1", 26, false}, {"192.0.2.9", 25, false},
                      {"192.0.2.9", 2525, true},   {"192.0.2.1", 2525, false}, {"127.0.0.1", 2525, false}};
  for (const Row& row : rows) {
    INFO(row.address << " " << row.port);
    event::Endpoint endpoint;
    endpoint.address = row.address;
    endpoint.port = row.port;
    CHECK(own.is_own(endpoint) == row.ours);
  }
}

TEST_CASE("an MX can't send us to addresses that are nobody's mail host") {
  Finding f;
  int number = 0;
  auto reached = [&](const std::string& address, std::uint16_t port = 25) {
    std::string name = fmt::format("h{}.mx", ++number);
    f.zone.at(name, {address});
    return f.addresses(name, port) == address;
  };
  f.finder.configure(OwnAddresses());
  for (const char* address : {"0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "240.0.0.1", "169.254.169.254", "127.0.0.1", "127.9.9.9", "::", "::1", "ff02::1",
                              "fe80::1", "::ffff:127.0.0.1", "::ffff:169.254.1.1"}) {
    INFO(address);
    CHECK_FALSE(reached(address));
  }
  for (const char* address : {"10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fd00::1", "198.51.100.1"}) CHECK(reached(address));
  CHECK(reached("127.0.0.1", 2525));
  CHECK(reached("::1", 2525));
  CHECK_FALSE(reached("169.254.169.254", 2525));
  f.zone.at("mixed.mx", {"127.0.0.1", "203.0.113.1"});
  CHECK(f.addresses("mixed.mx") == "203.0.113.1");
  f.zone.at("barred.mx", {"127.0.0.1"});
  CHECK(f.addresses("barred.mx") == "550 5.4.4 host barred.mx has no address that mail may be sent to");
  CHECK(f.addresses("barred.mx", 25, false) == "127.0.0.1");                 // but the configuration can
  f.finder.configure(own_addresses());
  CHECK(f.addresses("barred.mx").starts_with("550 5.4.6"));
}

TEST_CASE("IPv6 and IPv4 take turns, at most six addresses, and the family of the transport alone") {
  Finding f;
  f.zone.at("many.mx", {"2001:db8::11", "2001:db8::12", "203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14", "203.0.113.15"});
  CHECK(f.addresses("many.mx") == "2001:db8::11 203.0.113.11 2001:db8::12 203.0.113.12 203.0.113.13 203.0.113.14");
  CHECK(f.addresses("203.0.113.5", 25, true, true) == "203.0.113.5");
  f.transport->family = config::Family::ipv6;
  CHECK(f.addresses("many.mx") == "2001:db8::11 2001:db8::12");
  CHECK(f.addresses("a.mx") == "550 5.4.4 host a.mx has no IPv6 address");
  CHECK(f.addresses("203.0.113.5", 25, true, true).starts_with("550 5.4.4"));
  f.transport->family = config::Family::ipv4;
  f.zone.questions.clear();
  CHECK(f.addresses("a.mx") == "203.0.113.1");
  CHECK(f.zone.questions == Lines{"a.mx 1"});
}

TEST_CASE("one family that can't be asked for does not hide the other") {
  Finding f;
  f.zone.at("four.mx", {"203.0.113.1"}).fails("four.mx", Type::aaaa);
  f.zone.at("six.mx", {"2001:db8::6"}).fails("six.mx", Type::a, Outcome::timed_out);
  f.zone.at("liar.mx", {"203.0.113.2"}).fails("liar.mx", Type::aaaa, Outcome::nxdomain);
  CHECK(f.addresses("four.mx") == "203.0.113.1");
  CHECK(f.addresses("six.mx") == "2001:db8::6");
  CHECK(f.addresses("liar.mx") == "203.0.113.2");
}

TEST_CASE("a site has at most ten hosts, each once") {
  Finding f;
  std::vector<std::pair<std::uint16_t, std::string>> hosts;
  for (int i = 0; i < 300; ++i) {
    std::string name = fmt::format("m{:03}.mx", i);
    f.zone.at(name, {"203.0.113.1"});
    hosts.emplace_back(10, name);
    hosts.emplace_back(20, name);
  }
  f.zone.mx("x.test", hosts);
  auto first = f.answer("x.test"), second = f.answer("x.test");
  CHECK(first.site.hosts.size() == 10);
  CHECK(first.site.key == second.site.key);
  CHECK(f.zone.questions.size() < 50);
  f.zone.mx("twice.test", {{20, "a.mx"}, {10, "a.mx"}, {15, "b.mx"}});
  CHECK(f.find("twice.test") == "a.mx:25 b.mx:25");
}

TEST_CASE("an address literal is its own site, without a question") {
  Finding f;
  CHECK(f.find("[203.0.113.5]") == "203.0.113.5:25");
  auto answer = f.answer("[IPv6:2001:db8::5]");
  REQUIRE(answer.site.hosts.size() == 1);
  CHECK(answer.site.hosts[0].literal);
  CHECK(answer.site.hosts[0].name == "2001:db8::5");
  CHECK(answer.site.key == "internet [2001:db8::5]:25");
  CHECK(f.find("[192.0.2.1]") == "550 5.4.6 [192.0.2.1] is this host, which does not take its mail");
  CHECK(f.code("[127.0.0.1]") == "550 5.4.6");
  CHECK(f.code("[169.254.169.254]") == "550 5.4.4");
  CHECK(f.zone.questions.empty());
}

TEST_CASE("the port of MX hosts is the transport's") {
  Finding f;
  f.transport->port = 2525;
  f.zone.mx("x.test", {{10, "a.mx"}});
  CHECK(f.find("x.test") == "a.mx:2525");
  f.zone.at("lab.mx", {"127.0.0.2"}).at("own.mx", {"192.0.2.9"}).mx("lab.test", {{10, "lab.mx"}, {20, "own.mx"}});
  CHECK(f.find("lab.test") == "lab.mx:2525");
}

TEST_CASE("smart hosts take everybody's mail, in the order given or shared out") {
  Finding f;
  f.transport->hosts = {"b.mx:587", "[203.0.113.5]:25", "a.mx", "[::1]:26"};
  CHECK(f.find("x.test") == "b.mx:587 203.0.113.5:25 a.mx:25 ::1:26");
  CHECK(f.find("[198.51.100.1]") == "b.mx:587 203.0.113.5:25 a.mx:25 ::1:26");
  auto answer = f.answer("none.test");
  CHECK(answer.site.key == "internet b.mx:587,[203.0.113.5]:25,a.mx:25,[::1]:26");
  CHECK_FALSE(answer.site.hosts[0].from_mx);
  CHECK(answer.site.hosts[1].literal);
  CHECK(f.zone.questions.empty());
  f.transport->hosts_random = true;
  std::map<std::string, int> firsts, keys;
  for (int i = 0; i < 1000; ++i) {
    auto shared = f.answer("x.test");
    ++firsts[shared.site.hosts[0].name];
    ++keys[shared.site.key];
  }
  CHECK(firsts.size() == 4);
  double chi_square = 0;
  for (const auto& [name, count] : firsts) chi_square += (count - 250.0) * (count - 250.0) / 250.0;
  CHECK(chi_square < 16.3);      // 3 degrees of freedom
  CHECK(keys == std::map<std::string, int>{{"internet [203.0.113.5]:25,[::1]:26,a.mx:25,b.mx:587", 1000}});
}

TEST_CASE("a smart host may be the MX hosts of a name, or a socket for LMTP") {
  Finding f;
  f.zone.mx("relay.test", {{20, "b.mx"}, {10, "a.mx"}});
  f.transport->hosts = {"mx:relay.test:587", "c.mx"};
  CHECK(f.find("x.test") == "a.mx:587 b.mx:587 c.mx:25");
  CHECK(f.answer("x.test").site.key == "internet mx:relay.test:587,c.mx:25");
  f.zone.fails("relay.test", Type::mx).fails("bad.test", Type::mx);
  CHECK(f.find("x.test") == "c.mx:25");
  f.transport->hosts = {"mx:bad.test"};
  CHECK(f.code("x.test") == "451 4.4.3");
  f.transport->hosts = {"mx:none.test"};
  CHECK(f.find("x.test") == "451 4.3.5 mx:none.test, which the configuration names: there is no domain none.test");
  f.transport->hosts = {"unix:/run/lmtp"};
  CHECK(f.find("x.test") == "/run/lmtp:0");
  CHECK(f.answer("x.test").site.key == "internet unix:/run/lmtp");
}

TEST_CASE("a smart host that does not exist never bounces mail") {
  Finding f;
  CHECK(f.addresses("none.mx", 25, false) == "451 4.3.5 host none.mx has no address, but the configuration names it");
  CHECK(f.addresses("none.mx", 25, true) == "550 5.4.4 host none.mx has no address");
}

TEST_CASE("fallback hosts come last, stand in while DNS fails, and change nothing that is proven") {
  Finding f;
  f.transport->fallback = {"smart.test:587", "[203.0.113.66]"};
  f.zone.mx("x.test", {{10, "a.mx"}, {20, "b.mx"}});
  auto answer = f.answer("x.test");
  CHECK(f.find("x.test") == "a.mx:25 b.mx:25 smart.test:587 203.0.113.66:25");
  CHECK(answer.site.key == "internet a.mx:25,b.mx:25");
  CHECK(answer.site.hosts[2].preference == 65535);
  CHECK_FALSE(answer.site.hosts[2].from_mx);
  f.zone.fails("bad.test", Type::mx).mx("null.test", {{0, ""}}).mx("absent.test", {{1, "absent.mx"}}).mx("mine.test", {{1, "me.test"}});
  CHECK(f.find("bad.test") == "smart.test:587 203.0.113.66:25");
  CHECK(f.answer("bad.test").site.key == "internet smart.test:587,[203.0.113.66]:25");
  CHECK(f.code("none.test") == "550 5.1.2");
  CHECK(f.code("null.test") == "556 5.1.10");
  CHECK(f.code("absent.test") == "550 5.4.4");
  CHECK(f.code("mine.test") == "550 5.4.6");
  CHECK(f.find("[203.0.113.5]") == "203.0.113.5:25 smart.test:587 203.0.113.66:25");
  f.transport->hosts = {"c.mx"};
  CHECK(f.find("x.test") == "c.mx:25 smart.test:587 203.0.113.66:25");
}

TEST_CASE("with direct_first the domain's own hosts come first, then the smart hosts, then the fallback") {
  Finding f;
  f.transport->hosts = {"smart.test:587", "[203.0.113.66]"};
  f.transport->direct_first = true;
  f.transport->fallback = {"last.test"};
  f.zone.mx("x.test", {{10, "a.mx"}, {20, "b.mx"}});
  CHECK(f.find("x.test") == "a.mx:25 b.mx:25 smart.test:587 203.0.113.66:25 last.test:25");
  auto answer = f.answer("x.test");
  CHECK(answer.site.key == "internet a.mx:25,b.mx:25");
  CHECK_FALSE(answer.site.hosts[1].configured);
  CHECK(answer.site.hosts[2].configured);
  CHECK(answer.site.hosts[4].configured);
  CHECK(answer.site.hosts[2].preference == 65535);
  f.zone.fails("bad.test", Type::mx).mx("mine.test", {{1, "me.test"}});
  CHECK(f.find("bad.test") == "smart.test:587 203.0.113.66:25 last.test:25");
  CHECK(f.answer("bad.test").site.key == "internet smart.test:587,[203.0.113.66]:25");
  CHECK(f.code("none.test") == "550 5.1.2");
  CHECK(f.code("mine.test") == "550 5.4.6");
  CHECK(f.find("[203.0.113.5]") == "203.0.113.5:25 smart.test:587 203.0.113.66:25 last.test:25");
}

TEST_CASE("what domain_settings made of a transport has sites of its own") {
  Finding f;
  f.zone.mx("x.test", {{10, "a.mx"}});
  f.transport->variant = "x.test";
  CHECK(f.answer("x.test").site.key == "internet(x.test) a.mx:25");
}

}  // namespace mansio::deliver
