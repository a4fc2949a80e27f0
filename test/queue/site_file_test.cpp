// The file of destinations that are out of reach.
#include <catch2/catch.hpp>

#include "queue/site_file.hpp"

namespace mansio::queue {
namespace {

Lanes::Site site(const char* name, const char* text) {
  Lanes::Site out;
  out.name = name;
  out.key = lane_key(name);
  out.closed_until = Time(std::chrono::seconds(1700000900));
  out.outage_since = Time(std::chrono::seconds(1700000000));
  out.failures = 3;
  out.why = Status(451, 4, 1, text);
  return out;
}

}  // namespace

TEST_CASE("destinations are read back as they were written, whatever a peer has said") {
  auto text = format_sites({site("internet mx.example.org:25", "could not connect: Connection refused"), site("x y", "a\nb +=\xff 1 2")});
  auto read = parse_sites(text);
  CHECK(read.dropped == 0);
  REQUIRE(read.sites.size() == 2);
  CHECK(read.sites[0].name == "internet mx.example.org:25");
  CHECK(read.sites[0].key == lane_key("internet mx.example.org:25"));
  CHECK(read.sites[0].closed_until == Time(std::chrono::seconds(1700000900)));
  CHECK(read.sites[0].outage_since == Time(std::chrono::seconds(1700000000)));
  CHECK(read.sites[0].failures == 3);
  CHECK(read.sites[0].why.line() == "451 4.4.1 could not connect: Connection refused");
  CHECK(read.sites[1].why.text() == "a\nb +=\xff 1 2");
}

TEST_CASE("a line of the destinations that makes no sense is dropped, the others count") {
  struct Row { const char* line; bool good; } rows[] = {
    {"1700000900 1700000000 3 451 text name", true},
    {"1700000900 1700000000 3 451 text", false},
    {"1700000900 1700000000 3 451 text name more", false},
    {"-1 1700000000 3 451 text name", false},
    {"99999999999 1700000000 3 451 text name", false},
    {"1700000900 1700000000 4294967296 451 text name", false},
    {"1700000900 1700000000 3 250 text name", false},
    {"1700000900 1700000000 3 451 te+zz name", false},
    {"1700000900 1700000000 3 451 text ", false},
  };
  for (const Row& row : rows) {
    INFO(row.line);
    auto read = parse_sites(std::string("mansio destinations 1\n") + row.line + "\n");
    CHECK(read.sites.size() == (row.good ? 1 : 0));
    CHECK(read.dropped == (row.good ? 0 : 1));
  }
  CHECK(parse_sites("mansio destinations 2\n1 1 1 451 a b\n").sites.empty());
  CHECK(parse_sites("").sites.empty());
}

TEST_CASE("a site that is open, or has no name, is not written") {
  auto open = site("a", "b");
  open.closed_until = Time();
  CHECK(format_sites({open, site("", "b")}) == "mansio destinations 1\n");
}

}  // namespace mansio::queue
