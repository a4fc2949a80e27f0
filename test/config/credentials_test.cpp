#include "config/credentials.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "config/senders_file.hpp"

namespace mansio::config {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const Problems& problems) {
  Lines out;
  for (const Problem& p : problems) out.push_back(p.message());
  return out;
}

Credentials credentials(const std::string& text) {
  auto parsed = Credentials::parse({"/s", text});
  if (!parsed) for (const std::string& line : lines_of(parsed.error())) UNSCOPED_INFO(line);
  REQUIRE(parsed);
  return *parsed;
}

Lines wrong_credentials(const std::string& text) {
  auto parsed = Credentials::parse({"/s", text});
  return parsed ? Lines{} : lines_of(parsed.error());
}

}  // namespace

TEST_CASE("a credentials file may hold one name and password for all hosts") {
  Credentials c = credentials("# ours\nuser = \"me@example.org\"; password = \"pa ss\\\"word#1\";");
  REQUIRE(c.all().size() == 1);
  const Credential* found = c.find("smtp.example.com", "bob", "example.org");
  REQUIRE(found != nullptr);
  CHECK(found->user == "me@example.org");
  CHECK(found->password.view() == "pa ss\"word#1");
  CHECK(found->token_file.empty());
  CHECK(found->token_command.empty());
  CHECK(c.find("[192.0.2.1]", "", "") == found);
}

TEST_CASE("of several credentials the first that fits host and sender counts") {
  Credentials c = credentials(R"(credentials = (
    { host = "Smtp.Example.com."; sender = "Bob@Example.org"; user = "bob"; password = "1"; },
    { host = [ "*.example.com", "[192.0.2.1]" ]; sender = [ "example.org", "<>" ]; user = "org"; token_file = "/t"; },
    { sender = "*.example.net"; user = "net"; token_command = [ "/bin/token", "-x" ]; token_lifetime = "5m"; },
    { host = "last.example"; user = "last"; password = ""; } );)");
  struct Row {
    std::string host, local, domain, user;
  };
  const Row rows[] = {
    {"smtp.example.com", "bob", "example.org", "bob"},
    {"SMTP.example.COM", "BOB", "Example.ORG", "bob"},
    {"smtp.example.com", "eve", "example.org", "org"},
    {"other.example.com", "bob", "example.org", "org"},
    {"[192.0.2.1]", "", "", "org"},
    {"example.com", "bob", "example.org", ""},
    {"example.com", "x", "a.example.net", "net"},
    {"last.example", "", "", "last"},
    {"last.example", "x", "a.example.net", "net"},
    {"other.example", "", "", ""},
  };
  for (const Row& row : rows) {
    INFO(row.host << " " << row.local << "@" << row.domain);
    const Credential* found = c.find(row.host, row.local, row.domain);
    CHECK((found == nullptr ? "" : found->user) == row.user);
  }
  CHECK(c.all()[1].token_file == "/t");
  CHECK(c.all()[1].token_lifetime == std::chrono::minutes(50));
  CHECK(c.all()[2].token_command == Lines{"/bin/token", "-x"});
  CHECK(c.all()[2].token_lifetime == std::chrono::minutes(5));
  CHECK(c.all()[3].password.empty());
}

TEST_CASE("mistakes in a credentials file are told with file and line, and never with what it holds") {
  const std::string missing = "\"password\", \"token_file\" or \"token_command\" is missing (with a certificate and EXTERNAL: password = \"\")";
  const std::string host = "host: expected a name such as \"smtp.example.com\", \"*.example.com\" for all below it, or an address in brackets; no port";
  struct Row {
    std::string text;
    Lines problems;
  };
  const Row rows[] = {
    {"", {"/s:1: \"user\" is missing", "/s:1: " + missing}},
    {"user = \"a\";", {"/s:1: " + missing}},
    {"password = \"hunter2\";", {"/s:1: \"user\" is missing"}},
    {"user = \"a\";\npassword = 12345678;", {"/s:2: password: expected a text in quotes"}},
    {"user = \"a\";\npassword = 99999999999999999999;", {"/s:2: a number is too large: write passwords in quotes"}},
    {"user = \"a\";\npassword = hunter2;", {"/s:2: syntax error (perhaps a bracket or a quote is missing on a line above)"}},
    {"user = \"a\";\npassword = \"hunter2;", {"/s:2: the file holds a text in quotes that does not end"}},
    {"user = \"a\";\nhunter2 = \"x\";\npassword = \"b\";",
     {"/s:2: unknown setting: there are host, sender, user, password, token_file, token_command, token_lifetime"}},
    {"user = \"a\";\npasword = \"hunter2\";", {"/s:1: " + missing, "/s:2: unknown setting (did you mean \"password\"?)"}},
    {"user = \"a\"; hunter2 = 1; hunter2 = 2;", {"/s:1: a setting is given twice"}},
    {"user = \"a\"; password = \"hunter2\"; token_file = \"/t\";", {"/s:1: give one of \"password\", \"token_file\" and \"token_command\""}},
    {"user = \"\"; password = \"hunter2\";", {"/s:1: user: it is empty"}},
    {"user = \"a\"; password = \"hunter2\\n\";", {"/s:1: password: it holds a control character"}},
    {"user = \"a\"; password = \"" + std::string(1025, 'x') + "\";", {"/s:1: password: it is longer than 1024 bytes"}},
    {"user = \"a\"; token_file = \"t\";", {"/s:1: token_file: it needs its full path"}},
    {"user = \"a\"; token_command = \"token -x\";",
     {"/s:1: token_command: the program needs its full path, and each argument is a text of its own: [ \"/path\", \"argument\" ]"}},
    {"user = \"a\"; token_command = [ ];", {"/s:1: token_command: the list is empty"}},
    {"user = \"a\"; token_command = \"/t\"; token_lifetime = 5;", {"/s:1: token_lifetime: expected a duration such as \"50m\", from 1s to 1d"}},
    {"user = \"a\"; password = \"hunter2\"; token_lifetime = \"5m\";", {"/s:1: \"token_lifetime\" is for token_file and token_command"}},
    {"host = \"h.example:587\"; user = \"a\"; password = \"hunter2\";", {"/s:1: " + host}},
    {"host = ( \"a b\", 5 ); user = \"a\"; password = \"hunter2\";", {"/s:1: host: expected a text in quotes", "/s:1: " + host}},
    {"sender = \"a@\"; user = \"a\"; password = \"hunter2\";", {"/s:1: sender: expected an address, a domain, \"*.example.org\", \"*\" or \"<>\""}},
    {"credentials = \"hunter2\";", {"/s:1: credentials: expected a list of groups ( { }, { } )"}},
    {"credentials = ( );", {"/s:1: credentials: expected a list of groups ( { }, { } )"}},
    {"credentials = ( \"hunter2\" );", {"/s:1: expected a group { }"}},
    {"user = \"a\";\ncredentials = ( { } );", {"/s:2: beside the list \"credentials\" nothing else may stand"}},
    {"@include \"/etc/shadow\"", {"/s:1: the file holds @include, which is not supported: put the file into conf.d/"}},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    Lines problems = wrong_credentials(row.text);
    CHECK(problems == row.problems);
    for (const std::string& line : problems) CHECK(line.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("a damaged credentials file never shows its password, nor ends the program") {
  const std::string text = "credentials = ( { host = \"h.example\"; user = \"u\"; password = \"hunter2hunter2hunter2\"; }, { user = \"v\"; token_command = [ \"/x\" ]; } );";
  std::minstd_rand random(11);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = text;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = "{}()[]=;\",\\9x@#*L\n"[random() % 19];
    for (const std::string& line : wrong_credentials(damaged)) {
      ++refused;
      CHECK(line.find("unter2") == std::string::npos);
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("a file of senders says which addresses a user may send from") {
  auto file = SendersFile::parse({"/f", "# users\n\nBob : bob@example.org, Brown@B\xc3\xbc" "cher.example # his\nbob: *.lists.example\r\nrobot@example.org: <>\n*: info@example.org,example.net\n"});
  REQUIRE(file);
  struct Row {
    std::string login, local, domain;
    bool allowed;
  };
  const Row rows[] = {
    {"bob", "bob", "example.org", true},   {"BOB", "Bob", "Example.Org", true}, {"bob", "brown", "xn--bcher-kva.example", true},
    {"bob", "x", "a.lists.example", true}, {"bob", "x", "lists.example", false}, {"bob", "eve", "example.org", false},
    {"bob", "", "", false},                {"robot@example.org", "", "", true},  {"robot", "", "", false},
    {"eve", "info", "example.org", true},  {"eve", "any", "example.net", true},  {"eve", "bob", "example.org", false},
    {"", "info", "example.org", true},     {"*", "info", "example.org", true},
  };
  for (const Row& row : rows) {
    INFO(row.login << ": " << row.local << "@" << row.domain);
    CHECK(file->allows(row.login, row.local, row.domain) == row.allowed);
  }
  CHECK_FALSE(SendersFile().allows("bob", "bob", "example.org"));
}

TEST_CASE("mistakes in a file of senders are told with file and line") {
  struct Row {
    std::string text, problem;
  };
  const Row rows[] = {
    {"bob", "/f:1: expected a user, \":\" and addresses: \"bob: bob@example.org\""},
    {"\n: bob@example.org", "/f:2: expected a user, \":\" and addresses: \"bob: bob@example.org\""},
    {"bob:", "/f:1: an address is missing after the \":\" or beside a comma"},
    {"bob: a@example.org,", "/f:1: an address is missing after the \":\" or beside a comma"},
    {"bob: a b@", "/f:1: \"a b@\": \"\" is no domain: it is empty"},
    {"b\x01ob: a@example.org", "/f:1: it holds a control character, or is not UTF-8"},
    {"bob\xff: a@example.org", "/f:1: it holds a control character, or is not UTF-8"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    auto file = SendersFile::parse({"/f", row.text});
    REQUIRE_FALSE(file);
    CHECK(lines_of(file.error()) == Lines{row.problem});
  }
}

}  // namespace mansio::config
