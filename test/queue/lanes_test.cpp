// Lanes: who may start, who may connect, and what success and failure change.
#include <malloc.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "queue/lanes.hpp"

namespace mansio::queue {
namespace {

using namespace std::chrono_literals;
using Admission = Lanes::Admission;
using Visit = Lanes::Visit;

const Time start_of_day{std::chrono::seconds(1700000000)};
const Status refused{421, 4, 1, "connection refused"};

LaneEntry entry_number(std::uint32_t number) {
  LaneEntry entry;
  entry.id.seconds = 1700000000 + number / 1000;
  entry.id.fraction = number % 1000;
  entry.id.origin = 1 << 8;
  return entry;
}
std::uint32_t number_of(const LaneEntry& entry) { return (entry.id.seconds - 1700000000) * 1000 + entry.id.fraction; }

LaneOptions fixed_window(std::uint32_t window) {
  LaneOptions options;
  options.window = window;
  options.adapts = false;
  return options;
}

// A queue at play: names for lanes, a clock that is told, a pause of ten minutes.
struct Play {
  Lanes lanes;
  Time now = start_of_day;
  LaneOptions options;
  std::uint32_t next = 0;

  LaneKey key(const char* name) const { return lane_key(name); }
  void push(const char* name, int count = 1) {
    for (int i = 0; i < count; ++i) lanes.push(key(name), name, options, entry_number(next++));
  }
  void push_forced(const char* name) {
    LaneEntry entry = entry_number(next++);
    entry.forced = true;
    lanes.push(key(name), name, options, entry);
  }
  std::optional<Lanes::Started> take() { return lanes.take(now); }
  Admission enter(const char* name, Lanes::Started& from, bool forced = false) {
    return lanes.enter(key(name), name, options, from, forced, now);
  }
  Duration leave(const char* name, Visit visit, Duration pause = 10min) {
    Duration told(-1);
    lanes.leave(key(name), visit, refused, now, [&](Duration outage) {
      told = outage;
      return pause;
    });
    return told;
  }
  Lanes::Site site(const char* name) const {
    for (const Lanes::Site& site : lanes.sites(false)) {
      if (site.key == key(name)) return site;
    }
    return Lanes::Site();
  }
  // One message to the site and back, from a lane elsewhere.
  Admission visit(const char* name, Visit how) {
    Lanes::Started from;
    from.seated = false;
    Admission answer = enter(name, from);
    if (answer == Admission::admitted) leave(name, how);
    return answer;
  }
  // How many may start now; each goes to its own site at once.
  std::vector<Lanes::Started> start_all() {
    std::vector<Lanes::Started> out;
    while (auto started = take()) out.push_back(*started);
    return out;
  }
};

}  // namespace

TEST_CASE("lanes take turns, and within a lane the first comes first") {
  Play play;
  play.options = fixed_window(100);
  play.push("a", 3);      // 0 1 2
  play.push("b", 1);      // 3
  play.push("c", 2);      // 4 5
  std::vector<std::uint32_t> order;
  for (auto& started : play.start_all()) order.push_back(number_of(started.entry));
  CHECK(order == std::vector<std::uint32_t>{0, 3, 4, 1, 5, 2});
  CHECK(play.lanes.size() == 0);
}

TEST_CASE("an entry keeps its marks, and one pushed to the front comes next") {
  Play play;
  play.push("a", 2);
  LaneEntry back = entry_number(77);
  back.fresh = back.warned = true;
  play.lanes.push(play.key("a"), {}, play.options, back, true);
  auto started = play.take();
  REQUIRE(started);
  CHECK(started->entry.id == back.id);
  CHECK(started->entry.fresh);
  CHECK(started->entry.warned);
  CHECK_FALSE(started->entry.forced);
}

TEST_CASE("a message alone in its lane is taken within two turns of one with 100,000") {
  Play play;
  play.options = fixed_window(1000);
  play.push("big", 100'000);
  REQUIRE(play.take());
  play.push("small");
  auto first = play.take(), second = play.take();
  REQUIRE((first && second));
  CHECK((first->lane == play.key("small") || second->lane == play.key("small")));
}

TEST_CASE("mail that was tried in vain never holds up new mail") {
  Play play;
  for (int i = 0; i < 1000; ++i) {
    LaneEntry entry = entry_number(play.next++);
    entry.tried = true;
    std::string name = "tried " + std::to_string(i);
    play.lanes.push(lane_key(name), name, play.options, entry);
  }
  CHECK_FALSE(play.lanes.take(play.now, Lanes::Round::untried));      // the retries' part is full
  play.push("new");
  auto started = play.lanes.take(play.now, Lanes::Round::untried);
  REQUIRE(started);
  CHECK(started->lane == play.key("new"));
  CHECK_FALSE(started->retry);
  CHECK_FALSE(play.lanes.take(play.now, Lanes::Round::untried));
  auto retry = play.take();
  REQUIRE(retry);
  CHECK(retry->retry);
  CHECK(retry->entry.tried);

  SECTION("also in a lane that has stood among the retries") {
    play.push("tried 500");
    auto mixed = play.lanes.take(play.now, Lanes::Round::untried);
    REQUIRE(mixed);
    CHECK(mixed->lane == play.key("tried 500"));
    CHECK_FALSE(mixed->retry);
  }
  SECTION("but not to a site that is closed") {
    REQUIRE(play.enter("new", *started) == Admission::admitted);
    play.leave("new", Visit::unreachable);
    play.lanes.end(*started);
    play.push("new");
    play.now += 11min;
    CHECK_FALSE(play.lanes.take(play.now, Lanes::Round::untried));
    bool probed = false;
    for (int i = 0; i < 1000 && !probed; ++i) {
      auto next = play.take();
      probed = next && next->lane == play.key("new") && next->retry;
    }
    CHECK(probed);
  }
}

TEST_CASE("lanes that may be dead never hold up those that served lately") {
  Play play;
  play.push("good", 2);
  auto first = play.take();
  REQUIRE(first);
  REQUIRE(play.enter("good", *first) == Admission::admitted);
  play.leave("good", Visit::reached);
  play.lanes.end(*first);
  for (int i = 0; i < 1000; ++i) play.push(("unknown " + std::to_string(i)).c_str());
  play.push("good", 3);
  // In turn with them all together, not with each of them.
  int good = 0;
  for (int i = 0; i < 4; ++i) {
    auto started = play.take();
    REQUIRE(started);
    good += started->lane == play.key("good") ? 1 : 0;
    CHECK(started->proven == (started->lane == play.key("good")));
  }
  CHECK(good == 2);
  CHECK_FALSE(play.lanes.take(play.now, Lanes::Round::proven));       // its window is full; the others may not
  CHECK(play.take());
}

TEST_CASE("a lane starts as many as its window holds, and the next when one ends") {
  Play play;
  play.options = fixed_window(2);
  play.push("a", 4);
  auto started = play.start_all();
  CHECK(started.size() == 2);
  play.lanes.end(started[0]);
  CHECK(play.start_all().size() == 1);
  CHECK(play.start_all().empty());
}

TEST_CASE("the window opens by one with each visit that reached the site, up to its limit") {
  Play play;
  play.options.window_limit = 5;
  play.push("a", 100);
  std::vector<std::size_t> together;
  for (int round = 0; round < 6; ++round) {
    auto started = play.start_all();
    together.push_back(started.size());
    for (auto& one : started) REQUIRE(play.enter("a", one) == Admission::admitted);
    for (auto& one : started) {
      play.leave("a", Visit::reached);
      play.lanes.end(one);
    }
  }
  CHECK(together == std::vector<std::size_t>{1, 2, 4, 5, 5, 5});
}

TEST_CASE("a fixed window stays as it is") {
  Play play;
  play.options = fixed_window(3);
  play.push("a", 100);
  for (int round = 0; round < 3; ++round) {
    auto started = play.start_all();
    CHECK(started.size() == 3);
    for (auto& one : started) {
      REQUIRE(play.enter("a", one) == Admission::admitted);
      play.leave("a", Visit::reached);
      play.lanes.end(one);
    }
  }
}

TEST_CASE("a message of the site's own lane uses its own seat; another lane's finds it full") {
  Play play;
  play.push("a");
  play.push("b");
  auto started = play.start_all();
  REQUIRE(started.size() == 2);
  Lanes::Started& own = started[0];
  Lanes::Started& other = started[1];
  REQUIRE(own.lane == play.key("a"));
  CHECK(play.enter("a", other) == Admission::full);      // its seat is taken, though nobody visits yet
  CHECK(play.enter("a", own) == Admission::admitted);
  CHECK_FALSE(own.seated);
  CHECK(play.enter("a", own) == Admission::full);        // a second visit has no seat any more
  CHECK(play.enter("a", other) == Admission::full);
  play.leave("a", Visit::neither);
  CHECK(play.enter("a", other) == Admission::admitted);
  CHECK(play.enter("b", other) == Admission::admitted);  // and still its own
}

TEST_CASE("a site that the only visit can't reach is closed, and nothing starts until the pause is over") {
  Play play;
  play.push("a", 3);
  auto started = play.take();
  REQUIRE(play.enter("a", *started) == Admission::admitted);
  CHECK(play.leave("a", Visit::unreachable) == 0ms);
  play.lanes.end(*started);
  CHECK_FALSE(play.take());
  Lanes::Started foreign;
  foreign.seated = false;
  CHECK(play.enter("a", foreign) == Admission::closed);
  REQUIRE(play.lanes.closed_why(play.key("a"), play.now) != nullptr);
  CHECK(play.lanes.closed_why(play.key("a"), play.now)->text() == "connection refused");
  CHECK(play.lanes.next_opening() == play.now + 10min);
  CHECK(play.site("a").closed_until == play.now + 10min);
  CHECK(play.site("a").outage_since == play.now);
  play.now += 10min - 1s;
  CHECK_FALSE(play.take());
  play.now += 1s;
  CHECK(play.take());
}

TEST_CASE("a closed site costs one probe at a time, and each failure is told how long it has been out") {
  Play play;
  play.push("a", 5);
  play.visit("a", Visit::unreachable);
  CHECK_FALSE(play.take());
  for (int hour = 1; hour < 4; ++hour) {
    play.now = start_of_day + std::chrono::hours(hour);
    auto probe = play.take();
    REQUIRE(probe);
    CHECK_FALSE(play.take());
    CHECK_FALSE(play.lanes.next_opening());
    CHECK(play.lanes.closed_why(play.key("a"), play.now) != nullptr);
    CHECK(play.visit("a", Visit::reached) == Admission::closed);
    REQUIRE(play.enter("a", *probe) == Admission::admitted);
    CHECK(play.leave("a", Visit::unreachable) == std::chrono::hours(hour));
    play.lanes.end(*probe);
    CHECK_FALSE(play.take());
    CHECK(play.site("a").failures == static_cast<std::uint32_t>(hour + 1));
  }
}

TEST_CASE("a probe that reaches the site opens it, and the window grows from its beginning") {
  Play play;
  for (int i = 0; i < 10; ++i) {
    play.push("a");
    auto started = play.take();
    REQUIRE(play.enter("a", *started) == Admission::admitted);
    play.push("a");           // so that the lane is remembered
    play.leave("a", Visit::reached);
    play.lanes.end(*started);
  }
  CHECK(play.site("a").window == 11);
  play.visit("a", Visit::unreachable);
  CHECK(play.lanes.closed_why(play.key("a"), play.now) != nullptr);
  play.now += 10min;
  auto probe = play.take();
  REQUIRE(probe);
  REQUIRE(play.enter("a", *probe) == Admission::admitted);
  play.leave("a", Visit::reached);
  play.lanes.end(*probe);
  CHECK(play.lanes.closed_why(play.key("a"), play.now) == nullptr);
  CHECK(play.site("a").window == 1);
  CHECK(play.site("a").failures == 0);
  auto next = play.start_all();
  REQUIRE(next.size() == 1);
  REQUIRE(play.enter("a", next[0]) == Admission::admitted);
  CHECK(play.leave("a", Visit::unreachable) == 0ms);      // a new outage
}

TEST_CASE("a probe whose message ended elsewhere lets the next one probe at once") {
  Play play;
  play.push("a", 3);
  play.visit("a", Visit::unreachable);
  play.now += 10min;
  auto first = play.take();
  REQUIRE(first);
  CHECK_FALSE(play.take());
  play.lanes.end(*first);                  // never came to connect
  auto second = play.take();
  REQUIRE(second);
  REQUIRE(play.enter("a", *second) == Admission::admitted);
  CHECK_FALSE(play.take());
  play.leave("a", Visit::neither);
  play.lanes.end(*second);
  CHECK(play.take());
}

TEST_CASE("mail from another lane may be the probe") {
  Play play;
  play.push("a");
  play.visit("a", Visit::unreachable);
  play.now += 10min;
  Lanes::Started foreign, second;
  foreign.seated = second.seated = false;
  CHECK(play.enter("a", foreign) == Admission::admitted);
  CHECK(play.enter("a", second) == Admission::closed);
  CHECK_FALSE(play.take());
  play.leave("a", Visit::reached);
  CHECK(play.take());
}

TEST_CASE("a failure while other visits go on shrinks the window; the last one closes unless somebody got through") {
  struct Row {
    std::string ends;      // of four visits at once: r reached, u unreachable, n neither
    std::uint32_t window;
    bool closed;
  };
  const std::vector<Row> rows = {
      {"u", 3, false}, {"uu", 2, false}, {"uuu", 1, false}, {"uuuu", 1, true},
      {"ruuu", 1, true},                                   // the first failure after a success begins a new count
      {"uuru", 1, false},                                  // got through while the others failed: the last failure doesn't close
      {"uuur", 2, false}, {"nnnu", 1, true}, {"rrru", 1, false}, {"rrrr", 8, false},
  };
  for (const Row& row : rows) {
    INFO(row.ends);
    Play play;
    play.push("a", 50);
    for (int round = 0; round < 3; ++round) {              // window 4
      auto started = play.start_all();
      for (auto& one : started) REQUIRE(play.enter("a", one) == Admission::admitted);
      for (std::size_t i = 0; i < started.size(); ++i) play.leave("a", round < 2 ? Visit::reached : Visit::neither);
    }
    REQUIRE(play.site("a").window == 4);
    auto started = play.start_all();
    REQUIRE(started.size() == 4);
    for (auto& one : started) REQUIRE(play.enter("a", one) == Admission::admitted);
    for (char c : row.ends) play.leave("a", c == 'r' ? Visit::reached : c == 'u' ? Visit::unreachable : Visit::neither);
    CHECK((play.lanes.closed_why(play.key("a"), play.now) != nullptr) == row.closed);
    if (!row.closed) CHECK(play.site("a").window == row.window);
  }
}

TEST_CASE("forced mail goes past a closed lane, twenty at once") {
  Play play;
  play.push("a", 5);
  play.visit("a", Visit::unreachable);
  for (int i = 0; i < 30; ++i) play.push_forced("a");
  auto started = play.start_all();
  CHECK(started.size() == 20);
  CHECK(std::ranges::all_of(started, [](const Lanes::Started& s) { return s.entry.forced; }));
  for (auto& one : started) CHECK(play.enter("a", one, true) == Admission::admitted);
  Lanes::Started foreign;
  foreign.seated = false;
  CHECK(play.enter("a", foreign, true) == Admission::full);
  CHECK(play.enter("a", foreign, false) == Admission::closed);
  play.leave("a", Visit::unreachable);
  CHECK(play.start_all().size() == 1);
  play.leave("a", Visit::reached);                         // the site is back: everybody may go, within the window
  CHECK(play.lanes.closed_why(play.key("a"), play.now) == nullptr);
}

TEST_CASE("in an open lane forced mail goes first and keeps to the window") {
  Play play;
  play.options = fixed_window(2);
  play.push("a", 3);
  for (int i = 0; i < 3; ++i) play.push_forced("a");
  auto started = play.start_all();
  REQUIRE(started.size() == 2);
  CHECK((started[0].entry.forced && started[1].entry.forced));
}

TEST_CASE("a redirect moves what waits, in order, and what comes later") {
  Play play;
  play.options = fixed_window(1);
  play.push("site", 2);           // 0 1
  play.push("domain", 3);         // 2 3 4
  play.lanes.redirect(play.key("domain"), play.key("site"));
  play.push("domain");            // 5
  CHECK(play.lanes.resolve(play.key("domain")) == play.key("site"));
  CHECK(play.lanes.sites(false).size() == 1);
  CHECK(play.site("site").name == "site");
  std::vector<std::uint32_t> order;
  while (auto started = play.take()) {
    CHECK(started->lane == play.key("site"));
    order.push_back(number_of(started->entry));
    play.lanes.end(*started);
  }
  CHECK(order == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5});
  play.lanes.forget_redirects();
  CHECK(play.lanes.resolve(play.key("domain")) == play.key("domain"));
}

TEST_CASE("a message that was started before its domain's site was known gives its seat for the visit") {
  Play play;
  play.push("domain", 2);
  auto started = play.take();
  REQUIRE(started);
  play.lanes.redirect(play.key("domain"), play.key("site"));
  CHECK(play.lanes.lanes() == 2);      // the seat is still in the old one
  REQUIRE(play.enter("site", *started) == Admission::admitted);
  CHECK_FALSE(started->seated);
  CHECK(play.lanes.lanes() == 1);
  CHECK_FALSE(play.take());            // window 1
  play.leave("site", Visit::reached);
  play.lanes.end(*started);
  auto second = play.take();
  REQUIRE(second);
  CHECK(second->lane == play.key("site"));
}

TEST_CASE("redirects never go in circles: the latest word counts") {
  Lanes lanes;
  lanes.redirect(1, 2);
  lanes.redirect(2, 3);
  CHECK(lanes.resolve(1) == 3);
  lanes.redirect(3, 1);
  CHECK(lanes.resolve(3) == lanes.resolve(1));
  CHECK(lanes.resolve(2) == 3 - 2);
  lanes.redirect(5, 5);
  CHECK(lanes.resolve(5) == 5);
  std::mt19937 random(7);
  for (int i = 0; i < 10'000; ++i) lanes.redirect(random() % 50, random() % 50);
  for (LaneKey key = 0; key < 50; ++key) CHECK(lanes.resolve(key) < 50);
  for (LaneKey key = 0; key < 250'000; ++key) lanes.redirect(key, 1'000'000);
  CHECK(lanes.resolve(249'999) == 1'000'000);
  CHECK(lanes.resolve(0) == 0);        // forgotten
}

TEST_CASE("a lane that has nothing and does nothing is forgotten") {
  Play play;
  for (int i = 0; i < 1000; ++i) {
    std::string name = "domain" + std::to_string(i) + ".test";
    play.push(name.c_str());
    auto started = play.take();
    REQUIRE(started);
    REQUIRE(play.enter(name.c_str(), *started) == Admission::admitted);
    play.leave(name.c_str(), i % 2 == 0 ? Visit::reached : Visit::neither);
    play.lanes.end(*started);
  }
  play.take();
  CHECK(play.lanes.lanes() == 0);
}

TEST_CASE("a closed lane without mail is remembered for an hour after it might be probed") {
  Play play;
  play.visit("a", Visit::unreachable);
  CHECK(play.lanes.lanes() == 1);
  CHECK_FALSE(play.lanes.next_opening());
  play.now += 10min;
  play.take();
  CHECK(play.lanes.lanes() == 1);
  play.now += 59min;
  play.push("a");
  auto probe = play.take();
  REQUIRE(probe);
  REQUIRE(play.enter("a", *probe) == Admission::admitted);
  CHECK(play.leave("a", Visit::unreachable) == 69min);
  play.lanes.end(*probe);
  play.now += 10min;
  play.take();
  play.now += 60min;
  play.take();
  CHECK(play.lanes.lanes() == 0);
}

TEST_CASE("closed lanes are listed, and known again after a restart") {
  Play play;
  play.push("a", 2);
  play.visit("a", Visit::unreachable);
  play.push("b");
  auto closed = play.lanes.sites(true);
  REQUIRE(closed.size() == 1);
  CHECK(closed[0].name == "a");
  CHECK(closed[0].ready == 2);
  CHECK(play.lanes.sites(false).size() == 2);

  Play after;
  after.lanes.restore(closed[0]);
  after.push("a", 3);
  CHECK_FALSE(after.take());
  CHECK(after.site("a").why.text() == "connection refused");
  after.now += 2h;
  auto probe = after.take();
  REQUIRE(probe);
  REQUIRE(after.enter("a", *probe) == Admission::admitted);
  CHECK(after.leave("a", Visit::unreachable) == 2h);
}

TEST_CASE("open_all lets each closed lane be probed now") {
  Play play;
  for (const char* name : {"a", "b", "c"}) {
    play.push(name, 2);
    play.visit(name, Visit::unreachable);
  }
  CHECK_FALSE(play.take());
  play.lanes.open_all(play.now);
  CHECK(play.start_all().size() == 3);
}

TEST_CASE("overdue entries, one entry, and all entries can be taken out") {
  Play play;
  play.push("a", 5000);                   // a thousand a second
  LaneEntry warned = entry_number(1);
  warned.warned = true;
  play.lanes.push(play.key("a"), {}, play.options, warned);
  play.push("b", 10);
  Time second = start_of_day + 2s;
  auto overdue = play.lanes.overdue(play.key("a"), second, false);
  CHECK(overdue.size() == 2000);
  CHECK(number_of(overdue.front()) == 0);
  CHECK(play.lanes.overdue(play.key("a"), second, true).size() == 1);
  CHECK(play.lanes.size() == 3010);
  CHECK(play.lanes.remove(entry_number(5003).id));
  CHECK_FALSE(play.lanes.remove(entry_number(5003).id));
  CHECK(play.lanes.size() == 3009);
  auto all = play.lanes.drain();
  CHECK(all.size() == 3009);
  CHECK(play.lanes.size() == 0);
  CHECK(play.lanes.lanes() == 0);
  CHECK_FALSE(play.take());
}

TEST_CASE("take looks at few lanes, whatever stands closed or full") {
  Play play;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    LaneKey key = 1000 + i;
    play.lanes.push(key, {}, play.options, entry_number(i));
    play.lanes.push(key, {}, play.options, entry_number(i));
    if (i % 2 == 0) continue;
    Lanes::Started from;
    from.seated = false;
    REQUIRE(play.lanes.enter(key, {}, play.options, from, false, play.now) == Admission::admitted);
    play.lanes.leave(key, Visit::unreachable, refused, play.now, [](Duration) { return Duration(1h); });
  }
  CHECK(play.start_all().size() == 50'000);     // the open ones are full now, the others closed
  std::uint64_t before = play.lanes.looks();
  for (int i = 0; i < 1000; ++i) {
    play.push("quick");
    auto started = play.take();
    REQUIRE(started);
    play.lanes.end(*started);
  }
  CHECK(play.lanes.looks() - before <= 3000);
}

TEST_CASE("a million entries in one lane, and a million lanes, within their memory") {
  auto used = [] {
    struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  constexpr std::size_t million = 1'000'000;
  std::size_t before = used();
  {
    Lanes lanes;
    for (std::uint32_t i = 0; i < million; ++i) lanes.push(1, "site", fixed_window(UINT32_MAX), entry_number(i));
    std::size_t bytes = used() - before;
    INFO(bytes / million << " bytes an entry");
    CHECK(bytes <= 24 * million + 4096);
    std::uint32_t expected = 0, wrong = 0;
    while (auto started = lanes.take(start_of_day)) wrong += number_of(started->entry) != expected++;
    CHECK(wrong == 0);
    CHECK(expected == million);
    CHECK(lanes.looks() <= million + 1);
  }
  before = used();
  Lanes lanes;
  for (std::uint32_t i = 0; i < million; ++i) {
    std::string name = "d" + std::to_string(i) + ".example.net";
    lanes.push(lane_key(name), name, LaneOptions(), entry_number(i));
  }
  std::size_t bytes = used() - before;
  INFO(bytes / million << " bytes a lane");
  CHECK(bytes <= 300 * million);
  std::size_t taken = 0;
  while (auto started = lanes.take(start_of_day)) {
    ++taken;
    lanes.end(*started);
  }
  CHECK(taken == million);
  CHECK(lanes.lanes() == 0);
  CHECK(lanes.looks() <= 2 * million + 1);
}

TEST_CASE("from a lane that is held nothing is started, not even by force, and others go on") {
  Play play;
  play.options = fixed_window(10);
  play.push("a", 2);
  play.push("b", 1);
  play.lanes.hold(play.key("a"), {}, play.options);
  play.push("a");
  play.push_forced("a");
  std::vector<std::uint32_t> order;
  for (auto& started : play.start_all()) order.push_back(number_of(started.entry));
  CHECK(order == std::vector<std::uint32_t>{2});
  CHECK(play.site("a").held);
  CHECK(play.site("a").ready == 4);
  play.lanes.release_all();
  order.clear();
  for (auto& started : play.start_all()) order.push_back(number_of(started.entry));
  CHECK(order == std::vector<std::uint32_t>{4, 0, 1, 3});
  CHECK_FALSE(play.lanes.is_held(play.key("a")));
}

TEST_CASE("a closed lane that is held is not probed when its time comes") {
  Play play;
  play.visit("a", Visit::unreachable);
  play.push("a");
  play.lanes.hold(play.key("a"), {}, play.options);
  play.now += 20min;
  CHECK_FALSE(play.take());
  CHECK_FALSE(play.lanes.next_opening());
  play.lanes.release_all();
  CHECK(play.take());
}

TEST_CASE("a domain that is held leads to no site, until it is released") {
  Play play;
  play.lanes.redirect(play.key("domain"), play.key("site"));
  play.lanes.hold(play.key("domain"), {}, play.options);
  play.lanes.redirect(play.key("domain"), play.key("site"));
  play.push("domain");
  play.push("site");
  auto started = play.start_all();
  REQUIRE(started.size() == 1);
  CHECK(started[0].lane == play.key("site"));
  play.lanes.release_all();
  play.lanes.redirect(play.key("domain"), play.key("site"));
  play.lanes.end(started[0]);
  started = play.start_all();
  REQUIRE(started.size() == 1);
  CHECK(started[0].lane == play.key("site"));
}

TEST_CASE("a lane that was held and has no mail is forgotten when it is released") {
  Play play;
  play.lanes.hold(play.key("a"), "a", play.options);
  CHECK(play.lanes.lanes() == 1);
  play.lanes.release_all();
  CHECK(play.lanes.lanes() == 0);
}

}  // namespace mansio::queue
