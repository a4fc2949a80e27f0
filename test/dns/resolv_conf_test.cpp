#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "dns/resolver.hpp"

namespace mansio::dns {
namespace {

std::string shown(const event::Endpoint& endpoint) { return fmt::format("{} {}", endpoint.address, endpoint.port); }

TEST_CASE("a server is an address with or without a port") {
  struct {
    const char* text;
    const char* endpoint;
  } good[] = {
      {"127.0.0.1", "127.0.0.1 53"},       {"127.0.0.1:5353", "127.0.0.1 5353"},
      {"[::1]:5353", "::1 5353"},          {"[::1]", "::1 53"},
      {"2001:db8::1", "2001:db8::1 53"},   {"::1", "::1 53"},
      {"fe80::1%eth0", "fe80::1%eth0 53"}, {"[fe80::1%eth0]:54", "fe80::1%eth0 54"},
  };
  for (const auto& g : good) {
    INFO(g.text);
    auto server = parse_server(g.text);
    REQUIRE(server);
    CHECK(shown(*server) == g.endpoint);
  }
  for (auto bad : {"", "localhost", "1.2.3", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:x", "[::1", "[::1]5",
                   "[::1]:", "[]", "[127.0.0.1]:53", "1.2.3.4 ", "::1%", "fe80::1%a b", "1.2.3.4%eth0", "a:53"}) {
    INFO(bad);
    auto server = parse_server(bad);
    CHECK_FALSE(server);
  }
  CHECK_FALSE(parse_server(std::string_view("192.0.2.1\0x", 11)));
  CHECK(parse_server("a\n").error().text() == "name server a\\n: not an IP address");
}

TEST_CASE("resolv.conf is read as libc reads it") {
  struct {
    const char* text;
    std::vector<std::string> servers;
    long timeout;
    unsigned attempts;
  } cases[] = {
      {"", {"127.0.0.1 53"}, 5000, 3},
      {"nameserver 192.0.2.1\nnameserver\t2001:db8::1  # home\n", {"192.0.2.1 53", "2001:db8::1 53"}, 5000, 3},
      {"# nameserver 192.0.2.9\n; nameserver 192.0.2.9\nnameserver 192.0.2.1", {"192.0.2.1 53"}, 5000, 3},
      {"nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
       {"192.0.2.1 53", "192.0.2.2 53", "192.0.2.3 53"},
       5000,
       3},
      {"search example.test\ndomain x\nsortlist 1.2.3.4\nnameserver 192.0.2.1\noptions rotate timeout:2 attempts:1 "
       "ndots:2\n",
       {"192.0.2.1 53"},
       2000,
       1},
      {"nameserver 192.0.2.1\noptions timeout:0 attempts:99\n", {"192.0.2.1 53"}, 1000, 5},
      {"nameserver 192.0.2.1\noptions timeout:99 attempts:x\n", {"192.0.2.1 53"}, 30000, 3},
      {"nameserver bad\nnameserver 192.0.2.1:5353\nnameserver [::1]\nnameserver\nnameserver 192.0.2.2\r\n",
       {"192.0.2.2 53"},
       5000,
       3},
  };
  for (const auto& c : cases) {
    INFO(c.text);
    auto options = parse_resolv_conf(c.text);
    std::vector<std::string> servers;
    for (const auto& server : options.servers) servers.push_back(shown(server));
    CHECK(servers == c.servers);
    CHECK(options.timeout.count() == c.timeout);
    CHECK(options.attempts == c.attempts);
  }
}

}  // namespace
}  // namespace mansio::dns
