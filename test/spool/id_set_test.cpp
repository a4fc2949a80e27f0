// The set that holds the ids of deferred messages.
#include <malloc.h>

#include <catch2/catch.hpp>

#include <random>
#include <set>

#include "spool/id_set.hpp"

namespace mansio::spool {

static QueueId id_of(std::uint32_t seconds, std::uint32_t fraction, std::uint64_t generation) {
  QueueId id;
  id.seconds = seconds;
  id.fraction = fraction;
  id.origin = generation << 8 | (seconds & 15);
  return id;
}

TEST_CASE("a packed id is 12 bytes and unpacks to itself") {
  CHECK(sizeof(PackedId) == 12);
  for (const QueueId& id : {QueueId(), id_of(UINT32_MAX, (1u << 24) - 1, (1u << 18) - 1), id_of(1700000000, 12345, 7)}) {
    CHECK(PackedId(id, 0xa5).id() == id);
    CHECK(PackedId(id, 0xa5).mark() == 0xa5);
  }
}

TEST_CASE("a set of ids does what std::set does") {
  for (std::uint32_t spread : {3u, 50u, 2000u}) {
    IdSet set;
    std::set<QueueId> model;
    std::mt19937 random(spread);
    for (int i = 0; i < 30'000; ++i) {
      QueueId id = id_of(static_cast<std::uint32_t>(random() % spread), static_cast<std::uint32_t>(random() % 5) << 20, random() % 2);
      if (random() % (i % 10'000 < 5000 ? 3 : 2) != 0) CHECK(set.insert(id) == model.insert(id).second);
      else CHECK(set.erase(id) == (model.erase(id) == 1));
      CHECK(set.contains(id) == model.contains(id));
      CHECK(set.size() == model.size());
    }
    std::set<QueueId> all;
    set.for_each([&](const QueueId& id) { all.insert(id); });
    CHECK(all == model);
    for (const QueueId& id : model) CHECK(set.erase(id));
    CHECK(set.size() == 0);
    CHECK_FALSE(set.contains(QueueId()));
  }
}

TEST_CASE("a million ids cost at most 48 bytes each, and as little again when most are gone") {
  auto used = [] {
    struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  constexpr std::uint32_t million = 1'000'000;
  std::size_t before = used();
  IdSet set;
  for (std::uint32_t i = 0; i < million; ++i) set.insert(id_of(i, 0, 1));       // a message a second, at the same instant of it
  INFO((used() - before) / million << " bytes an id");
  CHECK(used() - before <= std::size_t{48} * million);
  std::uint32_t missing = 0;
  for (std::uint32_t i = 0; i < million; ++i) missing += !set.contains(id_of(i, 0, 1));
  CHECK(missing == 0);
  for (std::uint32_t i = 1000; i < million; ++i) set.erase(id_of(i, 0, 1));
  CHECK(set.size() == 1000);
  CHECK(used() - before <= 1000 * 200);
}

}  // namespace mansio::spool
