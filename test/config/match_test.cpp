#include "config/match.hpp"

#include <catch2/catch.hpp>

namespace mansio::config {

TEST_CASE("domain patterns name one domain, all below one, or all") {
  struct Row {
    std::vector<std::string> patterns;
    const char* domain;
    bool matches;
  };
  const Row rows[] = {
    {{"example.org"}, "example.org", true},   {{"example.org"}, "EXAMPLE.org", true},      {{"example.org"}, "a.example.org", false},
    {{"*.example.org"}, "a.example.org", true}, {{"*.example.org"}, "a.b.Example.org", true}, {{"*.example.org"}, "example.org", false},
    {{"*.example.org"}, "badexample.org", false}, {{"*.example.org"}, ".example.org", false}, {{"*"}, "anything", true},
    {{}, "example.org", false},               {{"file:/x"}, "example.org", false},         {{"b.example", "a.example"}, "b.example.", true},
  };
  for (const Row& row : rows) {
    INFO(row.domain);
    CHECK(DomainList(row.patterns).matches(row.domain) == row.matches);
  }
  CHECK(DomainList({"file:/x", "a"}).look_ups() == std::vector<std::string>{"file:/x"});
}

TEST_CASE("networks match IPv4, IPv6 and IPv4-mapped addresses") {
  struct Row {
    const char* network;
    const char* address;
    bool matches;
  };
  const Row rows[] = {
    {"127.0.0.0/8", "127.1.2.3", true},      {"127.0.0.0/8", "128.0.0.1", false},   {"127.0.0.0/8", "::ffff:127.0.0.1", true},
    {"192.0.2.1", "192.0.2.1", true},        {"192.0.2.1", "192.0.2.2", false},     {"192.0.2.128/25", "192.0.2.127", false},
    {"0.0.0.0/0", "8.8.8.8", true},          {"0.0.0.0/0", "2001:db8::1", false},   {"::/0", "2001:db8::1", true},
    {"2001:db8::/33", "2001:db8:7fff::1", true}, {"2001:db8::/33", "2001:db8:8000::1", false}, {"::1", "::1", true},
    {"::ffff:192.0.2.0/120", "192.0.2.9", true}, {"::1", "", false},                {"::1", "localhost", false},
  };
  for (const Row& row : rows) {
    INFO(row.network << " " << row.address);
    CHECK(NetworkList({row.network}).matches(row.address) == row.matches);
  }
  for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.1/8", "a/8", "10.0.0.0/8/8", "10.0.0.0/-1"}) {
    INFO(bad);
    CHECK_FALSE(Network::parse(bad));
  }
  for (const char* good : {"192.0.2.1", "2001:db8::1"}) {
    std::string with_nul = good + std::string("\0", 1) + "x";
    CHECK_FALSE(Network::parse_address(with_nul));
    CHECK_FALSE(Network::parse(with_nul + "/8"));
    CHECK_FALSE(NetworkList({good}).matches(with_nul));
  }
}

TEST_CASE("a domain has one canonical form") {
  CHECK(canonical_domain("Example.ORG.") == "example.org");
  CHECK(canonical_domain("Bücher.example") == "xn--bcher-kva.example");
  CHECK_FALSE(canonical_domain(std::string_view("Bücher.example\0x", 17)));
  CHECK(canonical_domain("[127.0.0.1]") == "[127.0.0.1]");
  for (const std::string& bad : {std::string(), std::string("."), std::string("a..b"), std::string("-a.example"), std::string("a b"), std::string("a@b"),
                                 std::string(64, 'a'), std::string("\xff.example")}) {
    CHECK_FALSE(canonical_domain(bad));
  }
}

TEST_CASE("sender patterns name one address, a domain, all below one, bounces, or all but these") {
  struct Row {
    std::vector<std::string> patterns;
    const char *local, *domain;
    bool matches;
  };
  const Row rows[] = {
    {{"a@x.example"}, "A", "X.example", true},  {{"a@x.example"}, "b", "x.example", false}, {{"a@x.example"}, "a", "sub.x.example", false},
    {{"x.example"}, "b", "x.example", true},    {{"*.x.example"}, "b", "y.x.example", true}, {{"*.x.example"}, "b", "x.example", false},
    {{"*"}, "b", "x.example", true},            {{"*"}, "", "", false},                     {{"<>"}, "", "", true},
    {{"<>"}, "a", "x.example", false},          {{"a@b@x.example"}, "a@b", "x.example", true},
    {{"a@[IPv6:2001:db8::1]"}, "A", "[IPv6:2001:DB8::1]", true}, {{"[IPv6:2001:db8::1]"}, "a", "[IPv6:2001:db8::1]", true}, {{}, "a", "x.example", false},
  };
  for (const Row& row : rows) {
    INFO(row.local << "@" << row.domain);
    CHECK(SenderList(row.patterns).matches(row.local, row.domain) == row.matches);
  }
}

TEST_CASE("an address literal has one form, and what is none is no domain") {
  CHECK(canonical_domain("[192.0.2.1]").value() == "[192.0.2.1]");
  CHECK(canonical_domain("[ipv6:2001:DB8:0::1]").value() == "[IPv6:2001:db8::1]");
  for (const char* text : {"[192.0.2]", "[::1]", "[IPv6:192.0.2.1]", "[192.0.2.1", "[x]", "[]"}) CHECK_FALSE(canonical_domain(text));
}

}  // namespace mansio::config
