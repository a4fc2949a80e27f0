#include <catch2/catch.hpp>

#include "config/directory.hpp"

namespace mansio::config {
namespace {

TEST_CASE("what may become part of a filter is escaped octet by octet") {
  struct Row {
    std::string octets, escaped;
  };
  const Row rows[] = {
      {"bob@ex.test", "bob@ex.test"},
      {"", ""},
      {"*", "\\2a"},
      {"(", "\\28"},
      {")", "\\29"},
      {"\\", "\\5c"},
      {std::string("\0", 1), "\\00"},
      {std::string("a\0b", 3), "a\\00b"},
      {"\r\n\t\x7f", "\\0d\\0a\\09\\7f"},
      {"é", "\\c3\\a9"},
      {"\xff", "\\ff"},
      {"*)(uid=*))(|(uid=*", "\\2a\\29\\28uid=\\2a\\29\\29\\28|\\28uid=\\2a"},
      {"{address}&|!=<>~ \"#+,;/", "{address}&|!=<>~ \"#+,;/"},
  };
  for (const Row& row : rows) CHECK(escape_for_filter(row.octets) == row.escaped);
}

TEST_CASE("a filter is filled in once") {
  CHECK(fill_ldap_filter("(mail={address})", "a*b@ex.test", "a*b", "ex.test") == "(mail=a\\2ab@ex.test)");
  CHECK(fill_ldap_filter("(&(uid={local})(dc={domain})(x=\\2a{})({address}={nothing}))", "{local}@{domain}", "{domain}", "{address}") ==
        "(&(uid={domain})(dc={address})(x=\\2a{})({local}@{domain}={nothing}))");
  CHECK(fill_ldap_filter(default_ldap_filter, "b@x", "b", "x") == "(|(mail=b@x)(mailLocalAddress=b@x)(proxyAddresses=smtp:b@x))");
}

TEST_CASE("filters that are well formed") {
  for (const char* text : {"(mail={address})", "(&(objectClass=person)(|(mail={address})(mail={local}@*))(!(disabled=TRUE)))", "(uid={local})",
                           "(memberOf:1.2.840.113556.1.4.1941:=cn={local})", "(mail>={address})", "(cn;lang-de~={address})", "(a=\\28{address}\\29)", "(a=*{local}*)"}) {
    INFO(text);
    CHECK(check_ldap_filter(text));
  }
  CHECK(check_ldap_filter(default_ldap_filter));
}

TEST_CASE("filters that are none") {
  for (const char* text : {"", "mail={address}", "(mail={address}", "(mail={address}))", "(={address})", "(mail)", "(&)", "(!(a={address})(b=1))", "((a={address}))",
                           "(mail={address})(a=b)", "(mail=\\2{address})", "(mail=\\zz{address})", "(mail={addres})", "(mail={)", "({address}=mail)", "(a={domain})", "(a=b)",
                           "(a={address}(b))", "(&(a={address})x)"}) {
    INFO(text);
    CHECK_FALSE(check_ldap_filter(text));
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "(!";
  CHECK_FALSE(check_ldap_filter(deep));
}

TEST_CASE("servers of directories") {
  struct Row {
    const char *text, *uri;       // "": refused
    bool encrypted = false, local = false;
  };
  const Row rows[] = {
      {"ldap://ldap.ex.test", "ldap://ldap.ex.test:389"},
      {"LDAP://Ldap.Ex.Test:3268/", "ldap://ldap.ex.test:3268"},
      {"ldaps://ldap.ex.test", "ldaps://ldap.ex.test:636", true},
      {"ldap://192.0.2.1", "ldap://192.0.2.1:389"},
      {"ldap://[2001:db8::1]:390", "ldap://[2001:db8::1]:390"},
      {"ldapi:///run/slapd/ldapi", "ldapi://%2Frun%2Fslapd%2Fldapi/", false, true},
      {"ldapi://%2Frun%2Fslapd%2Fldapi/", "ldapi://%2Frun%2Fslapd%2Fldapi/", false, true},
      {"ldapi:///a b", "ldapi://%2Fa%20b/", false, true},
      {"ldapi://", ""},
      {"ldapi:///", ""},
      {"ldap://", ""},
      {"ldap.ex.test", ""},
      {"http://ldap.ex.test", ""},
      {"ldap://ldap.ex.test/dc=ex", ""},
      {"ldap://ldap.ex.test?mail", ""},
      {"ldap://mx:ex.test", ""},
      {"ldap://unix:/x", ""},
      {"ldap://a b", ""},
      {"ldap://a:99999", ""},
      {"ldap://user@host", ""},
      {"ldap://host\n", ""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    auto server = parse_ldap_server(row.text);
    CHECK(server.has_value() == (row.uri[0] != '\0'));
    if (!server) continue;
    CHECK(server->uri == row.uri);
    CHECK(server->encrypted == row.encrypted);
    CHECK(server->local == row.local);
  }
}

TEST_CASE("names of attributes") {
  for (const char* good : {"mail", "mailRoutingAddress", "2.5.4.3", "msExch-x"}) CHECK(is_ldap_attribute(good));
  for (const char* bad : {"", "mail;range=0-1", "a b", "*", "+", "-x", "mail\n"}) CHECK_FALSE(is_ldap_attribute(bad));
}

}  // namespace
}  // namespace mansio::config
