#include "ldap/house.hpp"

namespace mansio::ldap {
namespace {

using Texts = std::vector<std::string>;

TEST_CASE("values that are addresses") {
  struct Row {
    std::string value, address;      // "": none
  };
  const Row rows[] = {
      {"bob@ex.test", "bob@ex.test"},
      {"SMTP:bob@ex.test", "bob@ex.test"},
      {"smtp:Bob@Ex.Test", "Bob@Ex.Test"},
      {"\"a b\"@ex.test", "\"a b\"@ex.test"},
      {"", ""},
      {"bob", ""},
      {"|/bin/sh", ""},
      {"/etc/passwd", ""},
      {":include:/etc/passwd", ""},
      {"bob@ex.test\r\nRCPT TO:<x@y>", ""},
      {std::string("bob\0@ex.test", 12), ""},
      {"bob@ex.test, alice@ex.test", ""},
      {"X400:c=US;a= ;p=Org", ""},
      {std::string(2000, 'a') + "@ex.test", ""},
      {"bob@" + std::string(300, 'a') + ".test", ""},
      {"b\xff\xfe@ex.test", ""},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    auto address = parse_address_value(row.value);
    CHECK(address.has_value() == !row.address.empty());
    if (address) CHECK(address->text() == row.address);
  }
}

TEST_CASE("values that are hosts") {
  struct Row {
    std::string value, host;
  };
  const Row rows[] = {
      {"mail.ex.test", "mail.ex.test:25"},
      {"Mail.Ex.Test:2525", "mail.ex.test:2525"},
      {"[192.0.2.1]", "[192.0.2.1]:25"},
      {"192.0.2.1", "[192.0.2.1]:25"},
      {"[2001:db8::1]:26", "[2001:db8::1]:26"},
      {"unix:/run/x", ""},
      {"mx:ex.test", ""},
      {"", ""},
      {"a b", ""},
      {"mail.ex.test:0", ""},
      {"mail.ex.test\n", ""},
      {"-x$(id)", ""},
      {std::string(2000, 'a'), ""},
  };
  for (const Row& row : rows) {
    INFO(row.value);
    auto host = parse_host_value(row.value);
    CHECK(host.has_value() == !row.host.empty());
    if (host) CHECK(host->text(25) == row.host);
  }
  CHECK_FALSE(parse_host_value(std::string_view("[192.0.2.1\0x]", 13)));
}

TEST_CASE("routing addresses and a host of an entry") {
  config::Ldap settings;
  auto both = routing_of(entry("uid=bob", {{"mailroutingaddress", {"b@in.test"}}, {"MAILHOST", {"hub.test"}}}), settings);
  REQUIRE(both);
  CHECK(texts(both->addresses) == Texts{"b@in.test"});
  CHECK(both->host->name == "hub.test");
  CHECK_FALSE(routing_of(entry("uid=bob", {{"mailHost", {"hub.test", "hub2.test"}}}), settings));
  auto bad = routing_of(entry("uid=b\nob", {{"mailRoutingAddress", {"|/bin/sh"}}}), settings);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().text().starts_with("uid=b\\nob: mailRoutingAddress: \"|/bin/sh\" is no address: "));
  settings.routing_address.clear();
  settings.routing_host.clear();
  auto none = routing_of(entry("uid=bob", {{"mailRoutingAddress", {"|/bin/sh"}}, {"mailHost", {"a", "b"}}}), settings);
  REQUIRE(none);
  CHECK(none->addresses.empty());
}

TEST_CASE("names of members are bounded") {
  config::Ldap settings;
  settings.members = "member";
  CHECK(members_of(entry("cn=x", {{"member", {"uid=a"}}}), settings)->names == Texts{"uid=a"});
  CHECK_FALSE(members_of(entry("cn=x", {{"member", {std::string(1001, 'a')}}}), settings));
  CHECK_FALSE(members_of(entry("cn=x", {{"member", {"uid=a\n"}}}), settings));
  CHECK_FALSE(members_of(entry("cn=x", {{"member", {""}}}), settings));
  CHECK(members_of(entry("cn=x", {{"memberOf", {"cn=y"}}}), settings)->names.empty());
  CHECK(members_of(entry("cn=x", {{"member;range=0-1499", {"uid=a"}}}), settings)->next == 1500);
  CHECK(members_of(entry("cn=x", {{"Member;Range=1500-*", {"uid=a"}}}), settings)->next == 0);
  CHECK_FALSE(members_of(entry("cn=x", {{"member;range=0-99999999999999999999", {"uid=a"}}}), settings));
  CHECK_FALSE(members_of(entry("cn=x", {{"member;range=", {"uid=a"}}}), settings));
}

}  // namespace
}  // namespace mansio::ldap
