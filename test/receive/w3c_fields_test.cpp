#include <catch2/catch.hpp>

#include <algorithm>

#include "config/w3c_fields.hpp"
#include "log/w3c.hpp"

TEST_CASE("the fields that the configuration may name are those that w3clog has") {
  auto written = mansio::log::W3cFormat::all_fields();
  CHECK(std::ranges::equal(written, mansio::config::w3c_fields));
}
