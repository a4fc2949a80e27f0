#include "mail/address.hpp"

#include <catch2/catch.hpp>

#include <vector>

using mansio::mail::Address;
using mansio::mail::Domain;
using mansio::mail::LocalPart;

TEST_CASE("domains are kept as sent and compared by key") {
  struct { const char *text, *key; } rows[] = {
      {"example.org", "example.org"}, {"EXAMPLE.Org", "example.org"}, {"example.org.", "example.org"}, {"a_b.test", "a_b.test"},
      {"b\xc3\xbc" "cher.example", "xn--bcher-kva.example"}, {"B\xc3\x9c" "CHER.example", "xn--bcher-kva.example"},
      {"xn--bcher-kva.EXAMPLE", "xn--bcher-kva.example"}, {"[192.0.2.1]", "[192.0.2.1]"},
      {"[IPv6:2001:DB8:0:0::1]", "[IPv6:2001:db8::1]"}, {"[ipv6:::1]", "[IPv6:::1]"}, {"localhost", "localhost"},
  };
  for (const auto& row : rows) {
    auto domain = Domain::parse(row.text);
    INFO(row.text);
    REQUIRE(domain);
    CHECK(domain->text() == row.text);
    CHECK(domain->key() == row.key);
  }
  CHECK(Domain::parse("[IPv6:::1]")->literal_address() == "::1");
  CHECK(Domain::parse("[192.0.2.1]")->literal_address() == "192.0.2.1");
  CHECK(Domain::parse("example.org")->literal_address().empty());
}

TEST_CASE("what is no domain is refused") {
  std::string label63(63, 'a'), label64(64, 'a');
  CHECK(Domain::parse(label63 + ".test"));
  std::vector<std::string> bad{"", ".", "a..b", ".a", "-a.test", "a-.test", "a b", "a@b", label64 + ".test", "[1.2.3]", "[1.2.3.4",
                               "[IPv6:zz]", "[::1]", "a\n.test", std::string("a\0b", 3), "\xff.test", "\xc0\xae.test",
                               "a.b\xe2\x80\xa8.test", "\xef\xbc\xbb.test", "a(b)", "[1.2.3.4]x", "[]", "["};
  std::string long_name;
  for (int i = 0; i < 5; ++i) long_name += label63 + ".";
  bad.push_back(long_name);
  for (const auto& text : bad) {
    INFO(text);
    CHECK_FALSE(Domain::parse(text));
  }
}

TEST_CASE("local parts lose their quotes and get them back only when needed") {
  struct { const char *text, *value, *quoted; } rows[] = {
      {"alice", "alice", "alice"}, {"\"alice\"", "alice", "alice"}, {"\"john smith\"", "john smith", "\"john smith\""},
      {R"("a\"b\\c")", R"(a"b\c)", R"("a\"b\\c")"}, {"a.b+c", "a.b+c", "a.b+c"}, {"\"a..b\"", "a..b", "\"a..b\""},
      {R"("\a")", "a", "a"}, {"J\xc3\xb6rg", "J\xc3\xb6rg", "J\xc3\xb6rg"}, {"\"a;touch /tmp/x\"", "a;touch /tmp/x", "\"a;touch /tmp/x\""},
  };
  for (const auto& row : rows) {
    auto local = LocalPart::parse(row.text);
    INFO(row.text);
    REQUIRE(local);
    CHECK(local->value() == row.value);
    CHECK(local->quoted() == row.quoted);
  }
  CHECK(LocalPart::parse("JoE")->key() == "joe");
  std::vector<std::string> bad{"", "a..b", ".a", "a.", "a b", "a@b", "\"a", "\"", "\"\"", "\"a\"b\"", "\"a\\\"", "a\x01", "\"a\nb\"",
                               "\"a\\\nb\"", std::string("a\0", 2), "\xff", "a\xc2\x85", std::string(256, 'a'), "a(b)", "<a>"};
  for (const auto& text : bad) {
    INFO(text);
    CHECK_FALSE(LocalPart::parse(text));
  }
  CHECK(LocalPart::parse(std::string(255, 'a')));
}

TEST_CASE("the last unquoted @ decides the domain (S-027)") {
  CHECK(Address::parse("\"alice@ex.test x\"@evil.test")->domain().text() == "evil.test");
  CHECK(Address::parse("alice%evil.test@ex.test")->domain().text() == "ex.test");
  CHECK(Address::parse("evil.test!alice@ex.test")->local().value() == "evil.test!alice");
  CHECK(Address::parse(R"("a\"@b"@c.test)")->local().value() == "a\"@b");
  for (const char* bad : {"alice@ex.test(@evil.test)", "alice@ex.test\\@evil.test", "a@b@c", "@b", "a@", "a", "", "\"a\"b@c", "\"a@b"}) {
    INFO(bad);
    CHECK_FALSE(Address::parse(bad));
  }
}

TEST_CASE("an address goes on the wire as it came and is compared by key") {
  auto address = Address::parse("\"John Smith\"@EXAMPLE.org");
  REQUIRE(address);
  CHECK(address->text() == "\"John Smith\"@EXAMPLE.org");
  CHECK(address->key() == "john smith@example.org");
  CHECK_FALSE(address->needs_smtputf8());
  CHECK(Address::parse("a@b\xc3\xbc" "cher.example")->needs_smtputf8());
  CHECK(Address::parse("\xc3\xa4@example.org")->needs_smtputf8());
}
