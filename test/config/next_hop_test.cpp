#include "config/next_hop.hpp"

#include <catch2/catch.hpp>

namespace mansio::config {

TEST_CASE("each way to name a host is one kind, and its text is read again to the same") {
  struct Case {
    const char *text, *again;
    NextHopKind kind;
  };
  for (const Case& c : {Case{"mail.example.org", "mail.example.org:25", NextHopKind::host}, Case{"Mail.example.org:587", "mail.example.org:587", NextHopKind::host},
                        Case{"[192.0.2.1]:26", "[192.0.2.1]:26", NextHopKind::literal}, Case{"mx:example.org", "mx:example.org:25", NextHopKind::mx},
                        Case{"unix:/run/x", "unix:/run/x", NextHopKind::unix_socket}, Case{"unix:25x", "unix:25x", NextHopKind::unix_socket}}) {
    INFO(c.text);
    auto hop = parse_next_hop(c.text);
    REQUIRE(hop);
    CHECK(hop->kind == c.kind);
    CHECK(hop->text(25) == c.again);
    CHECK(parse_next_hop(c.again)->text(25) == c.again);
  }
}

TEST_CASE("a host may be called mx or unix, with a port behind it") {
  for (const char* name : {"mx", "unix"}) {
    auto hop = parse_next_hop(std::string(name) + ":25");
    REQUIRE(hop);
    CHECK(hop->kind == NextHopKind::host);
    CHECK(hop->name == name);
    CHECK(hop->port == 25);
  }
  CHECK_FALSE(parse_next_hop("unix:"));
}

}  // namespace mansio::config
