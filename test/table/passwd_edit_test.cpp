#include "table/passwd_edit.hpp"

#include <catch2/catch.hpp>

#include "table/passwd_file.hpp"

namespace mansio::table {
namespace {

const char* const words[] = {"none", "added", "replaced", "removed"};

std::string describe(const Result<EditedPasswd>& edited) {
  return edited ? std::string(words[static_cast<int>(edited->change)]) + " " + edited->name + "|" + edited->text : "error";
}

}  // namespace

TEST_CASE("a password is set, and nothing else changes by a byte") {
  struct Row { const char* text; const char* user; const char* want; };
  const std::vector<Row> rows{
      {"", "bob", "added bob|bob:{X}y::::::\n"},
      {"a:1", "Bob", "added bob|a:1\nbob:{X}y::::::\n"},
      {"a:1\n\n", "Bob@B\xc3\xbc" "cher.example", "added bob@xn--bcher-kva.example|a:1\n\nbob@xn--bcher-kva.example:{X}y::::::\n"},
      {"# c\r\n bob :old:1:2:G,,:/h:/s:x=a:b c\r\n#bob:1\n\nz", "bob", "replaced bob|# c\r\n bob :{X}y:1:2:G,,:/h:/s:x=a:b c\r\n#bob:1\n\nz"},
      {"BOB:old\r\n", "bob", "replaced bob|BOB:{X}y\r\n"},
      {"bob\r\nx", "bob", "replaced bob|bob:{X}y\r\nx"},
      {"bob", "bob", "replaced bob|bob:{X}y"},
      {"bob:", "bob", "replaced bob|bob:{X}y"},
      {"bob:1:\nbob:2:\n", "bob", "replaced bob|bob:{X}y:\nbob:2:\n"},             // the first one counts
      {"bob@ex.test:1\n", "bob", "replaced bob@ex.test|bob@ex.test:{X}y\n"},       // the default domain
      {"bob:1\n", "bob@EX.test", "replaced bob|bob:{X}y\n"},
      {"bob@ex.test:1\nbob:2\n", "bob", "replaced bob|bob@ex.test:1\nbob:{X}y\n"},
      {"bob:1\n", "bob@other.test", "added bob@other.test|bob:1\nbob@other.test:{X}y::::::\n"},
      {"bobby:1\n", "bob", "added bob|bobby:1\nbob:{X}y::::::\n"},
      {"bob:1:5:5:Bob\tB\n", "bob", "error"},                                      // a line that log-ins don't read
      {"bob:1:5:5:Bob\tB\nbob:2\r\n", "bob", "replaced bob|bob:1:5:5:Bob\tB\nbob:{X}y\r\n"},
  };
  for (const auto& row : rows) {
    INFO(row.text << " / " << row.user);
    CHECK(describe(set_password(row.text, row.user, "ex.test", "{X}y")) == row.want);
  }
}

TEST_CASE("a user is taken out with every line of the name") {
  struct Row { const char* text; const char* user; const char* want; };
  const std::vector<Row> rows{
      {"a:1\nbob:2\nc:3\n", "bob", "removed bob|a:1\nc:3\n"},
      {"bob:1\n#x\nBob:2\nbob@ex.test:3\n", "bob", "removed bob|#x\nbob@ex.test:3\n"},
      {"bob@ex.test:3", "bob", "removed bob@ex.test|"},
      {"a:1\nbob:2", "bob", "removed bob|a:1"},
      {"a:1\nbob:2:\t\n", "bob", "removed bob|a:1\n"},
      {"a:1\n", "bob", "none |a:1\n"},
      {"", "bob", "none |"},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(describe(remove_user(row.text, row.user, "ex.test")) == row.want);
  }
}

TEST_CASE("a name that would not come back from the file is refused") {
  for (const char* user : {"", "a:b", "a b", "#a", "a\nb", "@x", "a@", "a\tb", "\xff"}) {
    INFO(user);
    CHECK(describe(set_password("", user, "", "{X}y")) == "error");
    CHECK(describe(remove_user("", user, "")) == "error");
  }
  for (const char* user : {"bob", "Bob@Ex.Test", "b+c", "j\xc3\xb6rg", "a@b@c.test"}) {
    auto edited = set_password("", user, "", "{X}y");
    REQUIRE(edited);
    auto parsed = parse_passwd_file(edited->text);
    CHECK(parsed.problems.empty());
    REQUIRE(parsed.users.size() == 1);
    CHECK(parsed.users.all()[0].name == edited->name);
    CHECK(parsed.users.all()[0].password == "{X}y");
  }
}

}  // namespace mansio::table
