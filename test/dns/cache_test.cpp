#include <catch2/catch.hpp>

#include "dns/cache.hpp"

namespace mansio::dns {
namespace {

using namespace std::chrono_literals;

Answer answer_with(Outcome outcome, Duration ttl, std::string name = "h.test") {
  Answer out;
  out.outcome = outcome;
  out.ttl = ttl;
  out.name = std::move(name);
  return out;
}

const MonotonicTime start{1000h};

TEST_CASE("how long an answer is kept has bounds by its outcome") {
  struct {
    Outcome outcome;
    Duration ttl, kept;
  } cases[] = {
      {Outcome::found, 300s, 300s},    {Outcome::found, 0s, 1s},     {Outcome::found, 240h, 24h},
      {Outcome::nxdomain, 300s, 300s}, {Outcome::nxdomain, 0s, 5s},  {Outcome::nxdomain, 24h, 1h},
      {Outcome::no_data, 300s, 300s},  {Outcome::no_data, 0s, 5s},   {Outcome::no_data, 24h, 1h},
      {Outcome::failed, 300s, 5s},     {Outcome::timed_out, 0s, 5s}, {Outcome::no_resources, 300s, 0s},
      {Outcome::bad_name, 300s, 0s},
  };
  for (const auto& c : cases) CHECK(lifetime(answer_with(c.outcome, c.ttl)) == c.kept);
}

TEST_CASE("an answer lives for its time, and tells what is left of it") {
  Cache cache(10);
  auto stored = cache.store("h.test", Type::a, answer_with(Outcome::found, 300s), start);
  CHECK(stored->ttl == 300s);
  CHECK(cache.find("h.test", Type::a, start) == stored);
  auto later = cache.find("h.test", Type::a, start + 100s);
  REQUIRE(later);
  CHECK(later->ttl == 200s);
  CHECK(later->name == "h.test");
  CHECK_FALSE(cache.find("h.test", Type::aaaa, start));
  CHECK_FALSE(cache.find("g.test", Type::a, start));
  CHECK(cache.find("h.test", Type::a, start + 299999ms));
  CHECK_FALSE(cache.find("h.test", Type::a, start + 300s));
  CHECK(cache.size() == 0);
}

TEST_CASE("a name that does not exist has no record of any type; a CNAME to one has itself") {
  Cache cache(10);
  cache.store("h.test", Type::mx, answer_with(Outcome::nxdomain, 60s), start);
  auto other = cache.find("h.test", Type::a, start);
  REQUIRE(other);
  CHECK(other->outcome == Outcome::nxdomain);
  cache.store("www.test", Type::mx, answer_with(Outcome::nxdomain, 60s, "gone.test"), start);
  CHECK(cache.find("www.test", Type::mx, start));
  CHECK_FALSE(cache.find("www.test", Type::cname, start));
  cache.store("g.test", Type::mx, answer_with(Outcome::no_data, 60s, "g.test"), start);
  CHECK_FALSE(cache.find("g.test", Type::a, start));
}

TEST_CASE("what was used longest ago goes first") {
  Cache cache(2);
  cache.store("a.test", Type::a, answer_with(Outcome::found, 60s), start);
  cache.store("b.test", Type::a, answer_with(Outcome::found, 60s), start);
  cache.find("a.test", Type::a, start);
  cache.store("c.test", Type::a, answer_with(Outcome::found, 60s), start);
  CHECK(cache.size() == 2);
  CHECK(cache.find("a.test", Type::a, start));
  CHECK_FALSE(cache.find("b.test", Type::a, start));
  cache.store("c.test", Type::a, answer_with(Outcome::found, 90s), start);
  CHECK(cache.size() == 2);
  CHECK(cache.find("c.test", Type::a, start)->ttl == 90s);
  cache.set_limit(1);
  CHECK(cache.size() == 1);
  cache.clear();
  CHECK(cache.size() == 0);
}

TEST_CASE("large answers count for their octets") {
  Cache cache(100);
  for (int i = 0; i < 100; ++i) {
    Answer large = answer_with(Outcome::found, 60s);
    large.texts.emplace_back(20000, 'x');
    cache.store("t" + std::to_string(i) + ".test", Type::txt, std::move(large), start);
  }
  CHECK(cache.size() > 1);
  CHECK(cache.size() <= 100 * Cache::average_octets / 20000);
  CHECK(cache.find("t99.test", Type::txt, start));
}

}  // namespace
}  // namespace mansio::dns
