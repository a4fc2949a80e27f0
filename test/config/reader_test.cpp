#include <catch2/catch.hpp>

#include "config/reader.hpp"

namespace mansio::config {

TEST_CASE("a file that says only its version is a whole configuration") {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1;"}}, {"mail.example.org", "example.org", ""});
  if (!config) for (auto& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  CHECK((*config)->host_name == "mail.example.org");
}

}  // namespace mansio::config
