#include "receive/connection_counts.hpp"

#include <catch2/catch.hpp>
#include <list>

namespace mansio::receive {
namespace {

using Refusal = ConnectionCounts::Refusal;

ConnectionCounts::Limits limits(std::uint64_t all, std::uint64_t listener, std::uint64_t client, std::uint64_t client_at_listener) {
  ConnectionCounts::Limits out;
  out.all = all;
  out.listener = listener;
  out.client = client;
  out.client_at_listener = client_at_listener;
  return out;
}

}  // namespace

TEST_CASE("each limit refuses in the name of the server or of the client, and what ends makes room") {
  ConnectionCounts counts;
  ConnectionCounts::Place none;
  {
    ConnectionCounts::Place one, two;
    CHECK(counts.take("relay", "a", limits(2, 9, 9, 9), one) == Refusal::none);
    CHECK(counts.take("relay", "a", limits(2, 1, 9, 9), none) == Refusal::server);
    CHECK(counts.take("other", "a", limits(2, 1, 1, 9), none) == Refusal::client);
    CHECK(counts.take("relay", "a", limits(2, 9, 9, 1), none) == Refusal::client);
    CHECK(counts.take("other", "b", limits(2, 1, 1, 1), two) == Refusal::none);
    CHECK(counts.take("third", "c", limits(2, 9, 9, 9), none) == Refusal::server);
  }
  CHECK(counts.take("relay", "a", limits(1, 1, 1, 1), none) == Refusal::none);
}

TEST_CASE("a place that was moved counts once") {
  ConnectionCounts counts;
  ConnectionCounts::Place first;
  REQUIRE(counts.take("relay", "a", limits(1, 1, 1, 1), first) == Refusal::none);
  {
    ConnectionCounts::Place second(std::move(first));
    ConnectionCounts::Place none;
    CHECK(counts.take("relay", "a", limits(1, 1, 1, 1), none) == Refusal::server);
  }
  ConnectionCounts::Place again;
  CHECK(counts.take("relay", "a", limits(1, 1, 1, 1), again) == Refusal::none);
}

TEST_CASE("limits hold for two processes together, and who has more than the other is crowded") {
  auto fd = SharedCounts::make(2).value();
  ConnectionCounts one, two;
  one.share(SharedCounts::map(fd.get(), 0, 2).value(), true);
  two.share(SharedCounts::map(fd.get(), 1, 2).value(), true);
  std::list<ConnectionCounts::Place> places;
  auto take = [&](ConnectionCounts& counts) { return counts.take("relay", "a", limits(9, 9, 9, 6), places.emplace_back()); };
  for (int i = 0; i < 5; ++i) CHECK(take(one) == Refusal::none);
  CHECK(one.crowded());
  CHECK_FALSE(two.crowded());
  CHECK(take(two) == Refusal::none);
  CHECK(take(two) == Refusal::client);
  CHECK(take(one) == Refusal::client);
  places.clear();
  CHECK(take(two) == Refusal::none);
  CHECK_FALSE(one.crowded());
}

}  // namespace mansio::receive
