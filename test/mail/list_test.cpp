#include "mail/list.hpp"

#include <catch2/catch.hpp>

using namespace mansio::mail;

namespace {

std::string addresses(std::string_view text) {
  auto found = parse_address_list(text, *Domain::parse("here.test"));
  if (!found) return "error";
  std::string out;
  for (const auto& address : *found) out += (out.empty() ? "" : " ") + address.text();
  return out;
}

}  // namespace

TEST_CASE("address lists of RFC 5322 and its obsolete forms") {
  struct { const char *text, *found; } rows[] = {
      {"a@b.test", "a@b.test"}, {" a@b.test , c@d.test ", "a@b.test c@d.test"}, {"root", "root@here.test"}, {"<root>", "root@here.test"},
      {"John Q. Public <j@b.test>", "j@b.test"}, {"\"Doe, John\" <j@b.test>, x@y.test", "j@b.test x@y.test"},
      {"a@b.test (a (nested) comment, with comma)", "a@b.test"}, {"(only)\r\n a@b.test", "a@b.test"},
      {"friends: a@b.test, C <c@d.test>;, e@f.test", "a@b.test c@d.test e@f.test"}, {"undisclosed recipients:;", ""}, {"", ""},
      {",,a@b.test,,", "a@b.test"}, {"<@r.test,@s.test:a@b.test>", "a@b.test"}, {"john . doe @ b . test", "john.doe@b.test"},
      {"\"a b\"@c.test", "\"a b\"@c.test"}, {"a@[192.0.2.1]", "a@[192.0.2.1]"}, {"a@b.test,\r\n\tc@d.test", "a@b.test c@d.test"},
      {"J\xc3\xb6rg <j@b.test>", "j@b.test"}, {"=?utf-8?q?x?= <j@b.test>", "j@b.test"}, {"\"a@b\" <c@d.test>", "c@d.test"},
      {"a@b.test a@c.test", "error"}, {"two words", "error"}, {"a@b.test>", "error"}, {"<a@b.test", "error"}, {"<>", "error"},
      {"a@@b", "error"}, {"a@", "error"}, {"@b", "error"}, {"\"open", "error"}, {"(open", "error"}, {"a@b.test;", "error"},
      {"<a@b.test> x", "error"}, {"<a@b.test> <c@d.test>", "error"}, {"g: h: a@b.test;;", "error"}, {"a\\b", "error"}, {"<a, b>", "error"},
      {"a@b\x01.test", "error"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(addresses(row.text) == row.found);
  }
}

TEST_CASE("the members of a list are found in their places") {
  struct {
    std::string text, domains;     // of each member its place: "begin-domain" with the domain, "+" for one that lacks it
  } rows[] = {
      {"a@b.test", "0:2=b.test"}, {" a , <b> (c),c@d", "0:2+ 4:7+ 13:15=d"}, {"x: a,b@c . d;, e", "2:4+ 5:7=c . d 14:16+"},
      {"<@r.test:a@ b.test (c)>", "0:12=b.test"}, {"\"a b\" (x) , a . b", "0:5+ 11:17+"}, {"a@[192.0.2.1] (x)", "0:2=[192.0.2.1]"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    auto members = parse_list_members(row.text, *Domain::parse("here.test"));
    REQUIRE(members);
    std::string found;
    for (const ListMember& m : *members) {
      found += (found.empty() ? "" : " ") + std::to_string(m.begin) + ":" + std::to_string(m.domain_begin);
      found += m.qualified ? "=" + row.text.substr(m.domain_begin, m.domain_end - m.domain_begin) : m.domain_begin == m.domain_end ? "+" : "?";
    }
    CHECK(found == row.domains);
  }
}

TEST_CASE("hostile lists cost linear time and bounded depth (S-023)") {
  std::string angles, comments, many;
  for (int i = 0; i < 20000; ++i) angles += "<>", comments += "()", many += "a@b.test,\r\n ";
  CHECK(addresses(angles + comments + "alice@ex.test") == "error");
  CHECK(addresses(comments + "alice@ex.test") == "alice@ex.test");
  CHECK(addresses(std::string(1'000'000, '(')) == "error");
  CHECK(addresses(std::string(1'000'000, '"')) == "error");
  CHECK(parse_address_list(many, *Domain::parse("here.test"))->size() == 20000);
}
