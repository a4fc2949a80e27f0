// Pauses: which connection and which destination each one holds up, when it ends, and the file that keeps it.
#include "queue/pauses.hpp"

#include <catch2/catch.hpp>

namespace mansio::queue {
namespace {

const Time pause_noon{std::chrono::seconds(1'700'000'000)};

Pause pause_of(Pause::What what, std::string name = {}) {
  Pause out;
  out.what = what;
  out.name = std::move(name);
  out.since = pause_noon;
  out.by = "root";
  return out;
}

event::Endpoint at(std::string address, std::uint16_t port) {
  event::Endpoint out;
  out.address = std::move(address);
  out.port = port;
  return out;
}

}  // namespace

TEST_CASE("A paused listener is met by connections to its address and port alone") {
  struct Row {
    const char* name;
    event::Endpoint local;
    const char* unix_path;
    bool met;
  };
  const Row rows[] = {
      {"192.0.2.1:25", at("192.0.2.1", 25), "", true},
      {"192.0.2.1:25", at("192.0.2.1", 587), "", false},
      {"192.0.2.1:25", at("192.0.2.2", 25), "", false},
      {"*:25", at("192.0.2.2", 25), "", true},
      {"*:25", at("2001:db8::1", 25), "", true},
      {"*:25", at("192.0.2.2", 2525), "", false},
      {"0.0.0.0:25", at("192.0.2.2", 25), "", true},
      {"0.0.0.0:25", at("2001:db8::1", 25), "", false},
      {"[::]:25", at("2001:db8::1", 25), "", true},
      {"[::]:25", at("192.0.2.2", 25), "", false},
      {"[2001:db8::1]:25", at("2001:db8::1", 25), "", true},
      {"unix:/run/lmtp", at("", 0), "unix:/run/lmtp", true},
      {"unix:/run/lmtp", at("", 0), "unix:/run/other", false},
      {"unix:/run/lmtp", at("192.0.2.1", 25), "*", false},
      {"nonsense", at("192.0.2.1", 25), "", false},
  };
  for (const Row& row : rows) {
    PauseList list;
    list.set(pause_of(Pause::What::listener, row.name));
    INFO(row.name << " and " << row.local.address << ":" << row.local.port);
    CHECK((list.of_listener(row.local, row.unix_path) != nullptr) == row.met);
    CHECK(list.of_local_programs() == nullptr);
    CHECK(list.of_outbound() == nullptr);
  }
}

TEST_CASE("Accepting paused meets every listener, and local programs only when that was said") {
  PauseList list;
  list.set(pause_of(Pause::What::accepting));
  CHECK(list.of_listener(at("192.0.2.1", 25), "") != nullptr);
  CHECK(list.of_local_programs() == nullptr);
  Pause more = pause_of(Pause::What::accepting);
  more.local = true;
  list.set(more);
  CHECK(list.all().size() == 1);           // it has replaced the other
  CHECK(list.of_local_programs() != nullptr);
  CHECK(list.of_local_programs()->title() == "accepting, also of local programs");
}

TEST_CASE("A paused destination is a domain, a site, or one of its hosts") {
  const char* site = "internet mx1.Example.org:25,mx2.example.org:25,[2001:db8::1]:25";
  const char* names[] = {"internet mx1.example.org:25,mx2.example.org:25,[2001:db8::1]:25", "mx1.example.org:25,mx2.example.org:25,[2001:db8::1]:25",
                         "mx2.example.org:25", "mx2.example.org", "[2001:db8::1]", "[2001:db8::1]:25"};
  for (const char* name : names) {
    PauseList list;
    list.set(pause_of(Pause::What::destination, name));
    INFO(name);
    CHECK(list.of_site(site) != nullptr);
  }
  for (const char* name : {"example.org", "mx", "mx1.example.org:26", "internet", "mx1.example.org:25,mx2.example.org:25"}) {
    PauseList list;
    list.set(pause_of(Pause::What::destination, name));
    INFO(name);
    CHECK(list.of_site(site) == nullptr);
    CHECK(list.of_domain(name) != nullptr);
    CHECK(list.of_domain("other.test") == nullptr);
  }
}

TEST_CASE("A pause with an end is over then, others stay") {
  PauseList list;
  Pause brief = pause_of(Pause::What::outbound);
  brief.until = pause_noon + std::chrono::hours(2);
  list.set(brief);
  list.set(pause_of(Pause::What::destination, "a.test"));
  CHECK(list.next_expiry() == pause_noon + std::chrono::hours(2));
  CHECK(list.take_expired(pause_noon + std::chrono::hours(1)).empty());
  auto over = list.take_expired(pause_noon + std::chrono::hours(2));
  REQUIRE(over.size() == 1);
  CHECK(over[0].title() == "outbound");
  CHECK(list.next_expiry() == std::nullopt);
  CHECK(list.all().size() == 1);
  CHECK_FALSE(list.take(Pause::What::destination, "b.test"));
  CHECK(list.take(Pause::What::destination, "a.test"));
  CHECK(list.empty());
}

TEST_CASE("There may be only so many pauses, and a known one may always be changed") {
  PauseList list;
  for (std::size_t i = 0; i < PauseList::most; ++i) CHECK(list.set(pause_of(Pause::What::destination, std::to_string(i))));
  CHECK_FALSE(list.set(pause_of(Pause::What::destination, "one too many")));
  CHECK(list.set(pause_of(Pause::What::destination, "7")));
}

TEST_CASE("Pauses survive the file, whatever their texts") {
  std::vector<Pause> before{pause_of(Pause::What::accepting), pause_of(Pause::What::listener, "[::1]:25"), pause_of(Pause::What::outbound),
                            pause_of(Pause::What::destination, "ex+ample.org mx=1")};
  before[0].local = true;
  before[1].until = pause_noon + std::chrono::seconds(90);
  before[2].reason = "line 1\nline 2 + \xc3\xa4";
  before[3].by = "uid 1000";
  auto after = parse_pauses(format_pauses(before));
  CHECK_FALSE(after.damaged);
  REQUIRE(after.pauses.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(after.pauses[i].title() == before[i].title());
    CHECK(after.pauses[i].since == before[i].since);
    CHECK(after.pauses[i].until == before[i].until);
    CHECK(after.pauses[i].by == before[i].by);
    CHECK(after.pauses[i].reason == before[i].reason);
  }
}

TEST_CASE("A file of pauses that makes no sense pauses nothing") {
  std::string good = format_pauses({pause_of(Pause::What::outbound), pause_of(Pause::What::accepting)});
  const std::string bad[] = {"",
                             "mansio pauses 2\n",
                             good.substr(0, good.size() - 1),
                             good + "outbound\n",
                             good + "outbound 1 0 - root  name\n",
                             good + "listener 1 0 - root  \n",
                             good + "everything 1 0 - root  \n",
                             good + "outbound x 0 - root  \n",
                             good + "outbound 1 99999999999 - root  \n",
                             good + "outbound 1 0 - ro+zt  \n",
                             std::string("\0\xff\n", 3)};
  CHECK_FALSE(parse_pauses(good).damaged);
  for (const std::string& text : bad) {
    INFO(text);
    auto parsed = parse_pauses(text);
    CHECK(parsed.damaged);
    CHECK(parsed.pauses.empty());
  }
}

}  // namespace mansio::queue
