// A random walk over everything that lanes can be asked, beside a model that only counts.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "queue/lanes.hpp"

namespace mansio::queue {
namespace {

using namespace std::chrono_literals;

class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {}

  void step() {
    switch (random_() % 24) {
      case 0: case 1: case 2: case 3: case 4: push(); break;
      case 5: case 6: case 7: case 8: case 9: take(); break;
      case 10: case 11: case 12: case 13: enter(); break;
      case 14: case 15: case 16: leave(static_cast<Lanes::Visit>(random_() % 3)); break;
      case 17: case 18: case 19: end(); break;
      case 20: lanes_.redirect(random_() % 4, 10 + random_() % 4); break;
      case 21: now_ += std::chrono::minutes(random_() % 20); break;
      case 22: rare(); break;
      default: pick_out(); break;
    }
    check();
  }

  // All come home: then nothing may be left, and everything was there once.
  void finish() {
    while (!visits_.empty()) leave(Lanes::Visit::reached);
    while (!started_.empty()) end();
    for (const LaneEntry& entry : lanes_.drain()) took(entry);
    for (int hours = 0; hours < 30; ++hours) {
      now_ += 1h;
      CHECK_FALSE(lanes_.take(now_));
    }
    CHECK(waiting_.empty());
    CHECK(lanes_.size() == 0);
    CHECK(lanes_.lanes() == 0);
  }

  std::size_t admitted = 0, closed = 0, full = 0;

 private:
  struct Going {
    LaneKey site = 0;
    bool probe = false;       // admitted while the site was closed, and not by force
  };

  void push() {
    LaneEntry entry;
    entry.id.seconds = static_cast<std::uint32_t>(std::chrono::system_clock::to_time_t(now_));
    entry.id.fraction = next_++;
    entry.id.origin = 1 << 8;
    entry.forced = random_() % 8 == 0;
    entry.warned = random_() % 4 == 0;
    LaneKey key = random_() % 2 ? random_() % 4 : 10 + random_() % 4;
    lanes_.push(key, key < 4 ? "domain" : "site", options(key), entry, random_() % 8 == 0);
    REQUIRE(waiting_.insert(entry.id).second);
  }
  static LaneOptions options(LaneKey key) {
    LaneOptions options;
    options.adapts = key >= 4;
    options.window = key < 4 ? 2 : 1;
    options.window_limit = 6;
    return options;
  }
  void took(const LaneEntry& entry) { REQUIRE(waiting_.erase(entry.id) == 1); }

  Lanes::Site site(LaneKey key) const {
    for (const Lanes::Site& site : lanes_.sites(false)) {
      if (site.key == key) return site;
    }
    return Lanes::Site();
  }
  // Seats and visits of a lane, as the model knows them.
  std::size_t busy(LaneKey key) const {
    std::size_t count = 0;
    for (const auto& s : started_) count += s.seated && s.lane == key;
    for (const auto& v : visits_) count += v.site == key;
    return count;
  }
  std::size_t probes(LaneKey key) const {
    std::size_t count = 0;
    for (const auto& v : visits_) count += v.site == key && v.probe;
    return count;
  }

  void take() {
    auto started = lanes_.take(now_);
    if (!started) return;
    took(started->entry);
    Lanes::Site lane = site(started->lane);
    std::size_t others = busy(started->lane);
    if (lane.failures == 0) CHECK(others < lane.window);
    else if (!started->entry.forced) CHECK((started->probe != 0 && lane.closed_until <= now_ && probes(started->lane) == 0));
    else CHECK(others < 20);
    started_.push_back(*started);
  }
  void enter() {
    if (started_.empty()) return;
    Lanes::Started& from = started_[random_() % started_.size()];
    LaneKey key = random_() % 3 ? lanes_.resolve(from.lane) : 10 + random_() % 4;
    bool own = from.seated && from.lane == key;
    Lanes::Site before = site(key);
    std::size_t others = busy(key) - (own ? 1 : 0);
    auto answer = lanes_.enter(key, key < 4 ? "domain" : "site", options(key), from, from.entry.forced, now_);
    if (answer == Lanes::Admission::full) ++full;
    if (answer == Lanes::Admission::closed) ++closed;
    if (answer != Lanes::Admission::admitted) return;
    ++admitted;
    Lanes::Site after = site(key);
    Going going;
    going.site = key;
    going.probe = after.failures > 0 && !from.entry.forced;
    if (going.probe) CHECK((before.closed_until <= now_ && probes(key) == 0));
    if (after.failures == 0) CHECK(others < after.window);
    visits_.push_back(going);
  }
  void leave(Lanes::Visit how) {
    if (visits_.empty()) return;
    std::size_t index = random_() % visits_.size();
    LaneKey key = visits_[index].site;
    std::size_t closed_before = site(key).failures;
    visits_.erase(visits_.begin() + static_cast<std::ptrdiff_t>(index));
    lanes_.leave(key, how, Status(421, "gone"), now_, [](Duration outage) { return 5min + outage / 4; });
    // Open again, or closed anew: whoever was the probe is so no longer.
    if (site(key).failures != closed_before) {
      for (Going& going : visits_) {
        if (going.site == key) going.probe = false;
      }
    }
  }
  void end() {
    if (started_.empty()) return;
    std::size_t index = random_() % started_.size();
    lanes_.end(started_[index]);
    started_.erase(started_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void rare() {
    switch (random_() % 6) {
      case 0: lanes_.forget_redirects(); break;
      case 1: lanes_.open_all(now_); break;
      case 2:
        for (const LaneEntry& entry : lanes_.drain()) took(entry);
        break;
      default: now_ += 30min; break;
    }
  }
  void pick_out() {
    if (random_() % 2 && !waiting_.empty()) {
      spool::QueueId id = *waiting_.begin();
      REQUIRE(lanes_.remove(id));
      waiting_.erase(id);
    } else {
      for (const LaneEntry& entry : lanes_.overdue(10 + random_() % 4, now_ - 30min, false)) {
        CHECK((!entry.warned && entry.id.time() < now_ - 30min));
        took(entry);
      }
    }
  }
  void check() {
    std::size_t ready = 0;
    for (const Lanes::Site& site : lanes_.sites(false)) {
      ready += site.ready;
      std::size_t active = 0;
      for (const auto& v : visits_) active += v.site == site.key;
      REQUIRE(site.active == active);
      REQUIRE((site.window >= 1 && site.window <= 6));
    }
    REQUIRE(ready == waiting_.size());
    REQUIRE(lanes_.size() == waiting_.size());
    // Who may be probed later is known: with closed lanes alone holding mail, there is a time to wake up.
    auto opening = lanes_.next_opening();
    if (opening) REQUIRE(*opening > Time());
  }

  std::mt19937 random_;
  Lanes lanes_;
  Time now_{std::chrono::seconds(1700000000)};
  std::uint32_t next_ = 0;
  std::set<spool::QueueId> waiting_;
  std::vector<Lanes::Started> started_;
  std::vector<Going> visits_;
};

}  // namespace

TEST_CASE("on a random walk no seat leaks, windows hold, and nothing is lost or taken twice") {
  std::size_t admitted = 0, closed = 0, full = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    INFO("seed " << seed);
    Walk walk(seed);
    for (int i = 0; i < 1500; ++i) walk.step();
    walk.finish();
    admitted += walk.admitted;
    closed += walk.closed;
    full += walk.full;
  }
  CHECK(admitted > 2000);
  CHECK(closed > 500);
  CHECK(full > 500);
}

TEST_CASE("with mail waiting and nobody under way, something may start or a time to try is known") {
  for (unsigned seed = 100; seed < 130; ++seed) {
    std::mt19937 random(seed);
    Lanes lanes;
    Time now{std::chrono::seconds(1700000000)};
    std::uint32_t left = 0, starts = 0;
    for (std::uint32_t i = 0; i < 200; ++i, ++left) {
      LaneEntry entry;
      entry.id.fraction = i;
      lanes.push(random() % 5, "site", LaneOptions(), entry);
    }
    while (lanes.size() > 0 && ++starts < 100'000) {
      auto started = lanes.take(now);
      if (!started) {
        auto opening = lanes.next_opening();
        REQUIRE(opening);
        REQUIRE(*opening > now);
        now = *opening;
        continue;
      }
      bool gone = random() % 2;
      auto answer = lanes.enter(started->lane, "site", LaneOptions(), *started, false, now);
      if (answer == Lanes::Admission::admitted) {
        lanes.leave(started->lane, gone ? Lanes::Visit::reached : Lanes::Visit::unreachable, Status(), now, [](Duration) { return Duration(60s); });
      }
      if (gone && answer == Lanes::Admission::admitted) --left;
      else lanes.push(started->lane, {}, LaneOptions(), started->entry);
      lanes.end(*started);
    }
    CHECK(left == 0);
  }
}

}  // namespace mansio::queue
