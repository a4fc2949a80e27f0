#include "queue/held.hpp"

#include <catch2/catch.hpp>

namespace mansio::queue {
namespace {

spool::QueueId numbered_id(std::uint32_t number) {
  spool::QueueId id;
  id.seconds = 1'700'000'000 + number;
  return id;
}

}  // namespace

TEST_CASE("a node is a domain, or a domain and what is below it") {
  struct Row { const char* domain; bool below; const char* other; bool has; };
  for (const Row& row : {Row{"a.test", false, "a.test", true}, Row{"a.test", false, "b.a.test", false}, Row{"a.test", true, "a.test", true},
                         Row{"a.test", true, "b.a.test", true}, Row{"a.test", true, "c.b.a.test", true}, Row{"a.test", true, "ba.test", false},
                         Row{"a.test", true, "test", false}, Row{"b.a.test", true, "a.test", false}}) {
    INFO(row.domain << " " << row.other);
    CHECK(Node(row.domain, row.below).has(row.other) == row.has);
  }
}

TEST_CASE("a domain that was asked for is open for a while, also when the clock jumps") {
  HeldMail held;
  Time now{std::chrono::seconds(1'700'000'000)};
  CHECK_FALSE(held.is_open("a.test", now));
  held.open(Node("a.test", true), now);
  CHECK(held.is_open("a.test", now));
  CHECK(held.is_open("b.a.test", now + HeldMail::open_time - Duration(1)));
  CHECK_FALSE(held.is_open("a.test", now + HeldMail::open_time));
  CHECK_FALSE(held.is_open("other.test", now));
  CHECK_FALSE(held.is_open("a.test", now - std::chrono::hours(1)));
  held.open(Node("a.test", true), now + std::chrono::minutes(5));
  CHECK(held.is_open("a.test", now + HeldMail::open_time));
}

TEST_CASE("what was found to be held is known by its domain until it is gone") {
  HeldMail held;
  held.add("a.test", numbered_id(1));
  held.add("a.test", numbered_id(1));
  held.add("b.a.test", numbered_id(2));
  held.add("c.test", numbered_id(3));
  CHECK(held.of(Node("a.test", false)) == std::unordered_set<spool::QueueId>{numbered_id(1)});
  CHECK(held.of(Node("a.test", true)).size() == 2);
  CHECK(held.of(Node("test", false)).empty());
  held.forget([](const spool::QueueId& id) { return id == numbered_id(1); });
  CHECK(held.of(Node("a.test", true)) == std::unordered_set<spool::QueueId>{numbered_id(2)});
  CHECK_FALSE(held.is_crowded());
  for (std::uint32_t i = 0; i < 10'000; ++i) held.add("many.test", numbered_id(i));
  CHECK(held.is_crowded());
  held.forget([](const spool::QueueId& id) { return id.seconds % 2 == 0; });
  CHECK_FALSE(held.is_crowded());
  CHECK(held.of(Node("many.test", false)).size() == 5'000);
}

}  // namespace mansio::queue
