#include "ldap/house.hpp"

namespace mansio::ldap {
namespace {

using std::chrono::seconds;

FoundPtr found(std::size_t bytes = 0) {
  auto out = std::make_shared<Found>();
  out->entries.push_back(entry(std::string(bytes, 'x'), {}));
  return out;
}

TEST_CASE("an answer is kept for its time, that of nobody for another") {
  Cache cache(seconds(300), seconds(60), Cache::Bounds());
  MonotonicTime begin{};
  cache.put("bob", found(), begin);
  cache.put("nobody", std::make_shared<Found>(), begin);
  CHECK(cache.find("bob", begin + seconds(299)));
  CHECK(cache.find("nobody", begin + seconds(59)));
  CHECK_FALSE(cache.find("nobody", begin + seconds(60)));
  CHECK_FALSE(cache.find("bob", begin + seconds(300)));
  CHECK_FALSE(cache.find("alice", begin));
  CHECK(cache.entries() == 0);
  CHECK(cache.bytes() == 0);
}

TEST_CASE("a time of nothing keeps nothing") {
  Cache cache(seconds(0), seconds(0), Cache::Bounds());
  cache.put("bob", found(), MonotonicTime());
  CHECK(cache.entries() == 0);
}

TEST_CASE("the answer that was not asked for longest goes first") {
  Cache::Bounds bounds;
  bounds.entries = 2;
  Cache cache(seconds(300), seconds(60), bounds);
  MonotonicTime now{};
  cache.put("a", found(), now);
  cache.put("b", found(), now);
  CHECK(cache.find("a", now));
  cache.put("c", found(), now);
  CHECK(cache.find("a", now));
  CHECK_FALSE(cache.find("b", now));
  CHECK(cache.find("c", now));
}

TEST_CASE("bytes are bounded, and an answer that is larger alone is not kept") {
  Cache::Bounds bounds;
  bounds.bytes = 10'000;
  Cache cache(seconds(300), seconds(60), bounds);
  for (int i = 0; i < 100; ++i) cache.put(std::to_string(i), found(1000), MonotonicTime());
  CHECK(cache.bytes() <= bounds.bytes);
  CHECK(cache.entries() >= 5);
  cache.put("large", found(20'000), MonotonicTime());
  CHECK_FALSE(cache.find("large", MonotonicTime()));
  cache.put("99", found(1), MonotonicTime());           // in the place of the old one
  std::size_t entries = cache.entries();
  cache.put("99", found(2), MonotonicTime());
  CHECK(cache.entries() == entries);
}

TEST_CASE("the second question is answered without the directory, until the time is over") {
  House house;
  house.add("bob@ex.test", entry("uid=bob", {}));
  auto directory = house.directory();
  auto ask = [&](const char* local) { return event::run_ready(directory->find(local, "ex.test", true)); };
  CHECK(ask("bob"));
  CHECK(ask("bob"));
  CHECK(ask("nobody"));
  CHECK(ask("nobody"));
  CHECK(house.book->asked.size() == 2);
  house.now += seconds(61);
  CHECK(ask("bob"));
  CHECK(ask("nobody"));
  CHECK(house.book->asked.size() == 3);
  house.now += seconds(300);
  CHECK(ask("bob"));
  CHECK(house.book->asked.size() == 4);
}

TEST_CASE("trouble is not kept") {
  House house;
  auto directory = house.directory();
  house.book->trouble.emplace(Fault::timed_out, "no answer");
  CHECK_FALSE(event::run_ready(directory->find("bob", "ex.test", true)));
  house.book->trouble.reset();
  house.add("bob@ex.test", entry("uid=bob", {}));
  auto bob = event::run_ready(directory->find("bob", "ex.test", true));
  REQUIRE(bob);
  CHECK(bob->has_value());
}

event::Task<> count(Questions* questions, std::string filter, int* done) {
  Search search;
  search.filter = std::move(filter);
  search.scope = config::LdapScope::sub;
  auto answer = co_await questions->ask(std::move(search));
  if (answer) ++*done;
}

TEST_CASE("equal questions under way share one search") {
  House house;
  event::Trigger held;
  house.book->held = &held;
  Questions questions(*house.book, Cache(seconds(300), seconds(60), Cache::Bounds()), [&] { return house.now; });
  int done = 0;
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  for (int i = 0; i < 500; ++i) scope.spawn(count(&questions, i % 2 == 0 ? "(a=1)" : "(a=2)", &done));
  CHECK(done == 0);
  CHECK(house.book->asked.size() == 2);
  held.fire();
  CHECK(done == 500);
  CHECK(scope.running() == 0);
}

}  // namespace
}  // namespace mansio::ldap
