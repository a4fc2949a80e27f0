#include "table/passwd_file.hpp"

#include <catch2/catch.hpp>
#include <random>

namespace mansio::table {

TEST_CASE("virtual users are read from Dovecot's passwd-file") {
  auto parsed = parse_passwd_file(
      "# users\nBob@Example.org:{SHA512-CRYPT}$6$x:1001:1002:Bob B:/home/bob:/bin/false:userdb_mail=maildir:~/M\ncarol:{PLAIN}x\ndave:::::/srv/dave::\n"
      "evil:x:abc:1::/h\nbad:x:1:1::relative\n:x:1:1\nbob@example.org:again\nmax:x:4294967295:1::/h\n");
  const auto* bob = parsed.users.find("bob", "example.org");
  REQUIRE(bob);
  CHECK(bob->password == "{SHA512-CRYPT}$6$x");
  CHECK((bob->uid == 1001u && bob->gid == 1002u && bob->home == "/home/bob" && !bob->broken));
  CHECK(parsed.users.find("bob", "other.org") == nullptr);
  const auto* carol = parsed.users.find("carol", "any.org");
  REQUIRE(carol);
  CHECK((!carol->uid && !carol->gid && carol->home.empty()));
  CHECK(parsed.users.find("dave", "x")->home == "/srv/dave");
  CHECK(parsed.users.find("evil", "x")->broken);
  CHECK(parsed.users.find("bad", "x")->broken);
  CHECK(parsed.users.find("max", "x")->broken);
  CHECK(parsed.users.size() == 6);
  std::vector<std::size_t> lines;
  for (const auto& problem : parsed.problems) lines.push_back(problem.line);
  CHECK(lines == std::vector<std::size_t>{5, 6, 7, 8, 9});
}

TEST_CASE("extra fields stand after the shell, and may hold colons") {
  struct Row { const char* line; std::vector<std::string> want; };
  const std::vector<Row> rows{
      {"a:x:1:1::/h:/bin/sh:nologin allow_nets=10.0.0.0/8,::1  userdb_mail=maildir:~/M", {"nologin", "allow_nets=10.0.0.0/8,::1", "userdb_mail=maildir:~/M"}},
      {"a:x::::::", {}},
      {"a:x::::::nologin", {"nologin"}},
      {"a:x:1:1::/h:nologin", {}},
      {"a:x", {}},
      {"a", {}},
  };
  for (const auto& row : rows) {
    INFO(row.line);
    auto parsed = parse_passwd_file(row.line);
    REQUIRE(parsed.users.size() == 1);
    CHECK(parsed.users.all()[0].extra == row.want);
  }
}

TEST_CASE("users keep the order and the lines of their file") {
  auto parsed = parse_passwd_file("zoe:1\n\n# c\nbob:2\nzoe:3\namy:4\n");
  REQUIRE(parsed.users.size() == 3);
  CHECK(parsed.users.all()[0].name == "zoe");
  CHECK(parsed.users.all()[1].line == 4);
  CHECK(parsed.users.all()[2].name == "amy");
  CHECK(parsed.users.find("zoe")->password == "1");
  CHECK(parsed.users.find("zoe@x") == nullptr);
}

TEST_CASE("names of users in the one form in which they are looked up") {
  struct Row { std::string name, want; };
  const std::vector<Row> rows{
      {"Bob", "bob"}, {"Bob@Example.ORG.", "bob@example.org"}, {"b@b@x.org", "b@b@x.org"}, {"J\xc3\xb6rg", "j\xc3\xb6rg"},
      {"x@b\xc3\xbc" "cher.example", "x@xn--bcher-kva.example"}, {"a@[192.0.2.1]", "a@[192.0.2.1]"},
      {"", ""}, {"@x.org", ""}, {"a@", ""}, {"a@-x", ""}, {"a\nb", ""}, {"\xff", ""}, {std::string(256, 'a'), ""},
  };
  for (const auto& row : rows) CHECK(canonical_user_name(row.name) == row.want);
}

TEST_CASE("random text never breaks the parser of passwd-files") {
  std::mt19937 random(3);
  const std::string_view alphabet = "ab@:,=#{} \t\r\n0.\x01\xc3\xbc";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    parse_passwd_file(text);
  }
}

}  // namespace mansio::table
