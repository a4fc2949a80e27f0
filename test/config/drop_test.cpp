#include "config/drop.hpp"

#include <catch2/catch.hpp>

namespace mansio::config {

TEST_CASE("the owner of a drop directory is a user, or a user and a group, by name") {
  for (const char* good : {"app", "app:mail", "www-data:www-data", "a.b_c", "DOM\\user:users", "svc$"}) {
    INFO(good);
    CHECK(check_owner(good));
  }
  for (const char* bad : {"", ":", "app:", ":mail", "1000", "app:8", "a b", "app:mail:x", "-x", "root", "root:mail", "a/b"}) {
    INFO(bad);
    CHECK_FALSE(check_owner(bad));
  }
}

TEST_CASE("the mode of dropped files lets the owner read and not everybody write") {
  for (const char* good : {"0640", "640", "0600", "0444", "0775", "0664"}) {
    INFO(good);
    CHECK(check_file_mode(good));
  }
  for (const char* bad : {"", "0", "64", "0666", "0642", "0240", "1640", "4640", "0840", "rw-r-----", "00640"}) {
    INFO(bad);
    CHECK_FALSE(check_file_mode(bad));
  }
}

}  // namespace mansio::config
