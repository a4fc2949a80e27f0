#include "deliver/seats.hpp"

#include <catch2/catch.hpp>
#include <optional>

namespace mansio::deliver {

TEST_CASE("without other processes everybody has a seat, and nobody waits") {
  Seats seats;
  Seats::Seat one, two;
  CHECK(seats.take("site", 1, 1, one) == Seats::Answer::taken);
  CHECK(seats.take("site", 1, 1, two) == Seats::Answer::taken);
  Seats::Wish wish(seats, "site");
  CHECK_FALSE(seats.wanted("site"));
}

TEST_CASE("seats at a site and in all are those of two processes together, and a wish is seen by the other") {
  auto fd = SharedCounts::make(2).value();
  Seats one, two;
  one.share(SharedCounts::map(fd.get(), 0, 2).value());
  two.share(SharedCounts::map(fd.get(), 1, 2).value());
  std::optional<Seats::Seat> first(std::in_place), second(std::in_place);
  Seats::Seat none;
  REQUIRE(one.take("site", 1, 2, *first) == Seats::Answer::taken);
  CHECK(two.take("site", 1, 2, none) == Seats::Answer::site_full);
  CHECK(two.take("other", 1, 2, *second) == Seats::Answer::taken);
  CHECK(one.take("third", 1, 2, none) == Seats::Answer::all_full);
  {
    Seats::Wish wish(two, "site");
    CHECK(one.wanted("site"));
    CHECK_FALSE(one.wanted("other"));
    CHECK_FALSE(two.wanted("site"));
  }
  CHECK_FALSE(one.wanted("site"));
  Seats::Seat moved = std::move(*first);
  first.reset();
  CHECK(two.take("site", 1, 9, none) == Seats::Answer::site_full);
  moved = Seats::Seat();
  CHECK(two.take("site", 1, 9, none) == Seats::Answer::taken);
}

}  // namespace mansio::deliver
