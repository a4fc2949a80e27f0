#include "control/seats.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <vector>

namespace mansio::control {
namespace {

using Taken = std::vector<std::unique_ptr<Seats::Seat>>;

// As many as there is room for, at most `wanted`, which stay when they are known.
std::size_t fill(Seats& seats, Taken& taken, unsigned uid, std::size_t wanted, bool privileged) {
  std::size_t count = 0;
  for (; count < wanted && seats.has_room(uid, privileged); ++count) {
    taken.push_back(std::make_unique<Seats::Seat>(seats, uid, privileged));
    if (taken.back()->settle(privileged)) continue;
    taken.pop_back();
    break;
  }
  return count;
}

}  // namespace

TEST_CASE("one user gets half of the ordinary seats, all together a hundred, and root has its own") {
  Seats seats;
  Taken taken;
  CHECK(fill(seats, taken, 1001, 1000, false) == 50);
  CHECK(fill(seats, taken, 1002, 1000, false) == 50);
  CHECK(fill(seats, taken, 1003, 1000, false) == 0);
  CHECK(fill(seats, taken, 0, 1000, true) == 150);
  CHECK(fill(seats, taken, 1003, 1000, false) == 0);
  taken.erase(taken.begin());
  CHECK(fill(seats, taken, 1003, 1000, false) == 1);
}

TEST_CASE("where the ordinary seats are full, who comes stays only when he turns out to be an operator") {
  Seats seats;
  Taken taken;
  for (unsigned uid : {1001, 1002}) fill(seats, taken, uid, 50, false);
  REQUIRE(seats.has_room(1004, false));
  Seats::Seat operator_seat(seats, 1004, false);
  CHECK(operator_seat.settle(true));
  CHECK(operator_seat.settle(true));
  Seats::Seat ordinary(seats, 1005, false);
  CHECK_FALSE(ordinary.settle(false));
}

TEST_CASE("as long as nobody knows who they are, only so many are let in") {
  Seats seats;
  Taken taken;
  unsigned uid = 2000;
  while (seats.has_room(uid, false)) taken.push_back(std::make_unique<Seats::Seat>(seats, uid++, false));
  CHECK(taken.size() == 150);
  CHECK(seats.has_room(0, true));
  taken.clear();
  CHECK(seats.has_room(uid, false));
}

}  // namespace mansio::control
