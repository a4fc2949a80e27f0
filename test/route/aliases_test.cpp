#include "route/aliases.hpp"

#include <catch2/catch.hpp>
#include <random>

namespace mansio::route {
namespace {

std::string describe(const Target& target) {
  std::string out;
  switch (target.kind) {
    case TargetKind::address: out = "address " + target.address->text(); break;
    case TargetKind::name: out = "name " + target.text; break;
    case TargetKind::command:
      out = "command";
      for (const auto& word : target.command) out += " [" + word + "]";
      break;
    case TargetKind::file: out = "file " + target.text; break;
    case TargetKind::include: out = "include " + target.text; break;
    case TargetKind::blackhole: out = "blackhole"; break;
    case TargetKind::fail: out = "fail " + target.text; break;
    case TargetKind::defer: out = "defer " + target.text; break;
  }
  return target.exact ? out + " exact" : out;
}

std::vector<std::string> describe(const std::vector<Target>& targets) {
  std::vector<std::string> out;
  for (const auto& target : targets) out.push_back(describe(target));
  return out;
}

using Strings = std::vector<std::string>;
const std::string unreadable = "defer an entry of the alias could not be read";

}  // namespace

TEST_CASE("items of an alias are read as what they are") {
  struct Row { const char* text; Strings want; };
  const std::vector<Row> rows{
      {"bob", {"name bob"}},
      {"\\bob, Alice@X.test", {"name bob exact", "address Alice@X.test"}},
      {"<a@b.test>", {"address a@b.test"}},
      {"\"john smith\"@x.test", {"address \"john smith\"@x.test"}},
      {"|/bin/cat", {"command [/bin/cat]"}},
      {"\"|/usr/bin/x -a 'b c' \\\"d e\\\"\"", {"command [/usr/bin/x] [-a] [b c] [d e]"}},
      {"|\"/usr/bin/vacation -a b\"", {"command [/usr/bin/vacation] [-a] [b]"}},
      {"|/bin/sh -c $(touch /tmp/x);", {"command [/bin/sh] [-c] [$(touch] [/tmp/x);]"}},
      {"/var/mail/archive, bob", {"file /var/mail/archive", "name bob"}},
      {":include:/etc/list , carol", {"include /etc/list", "name carol"}},
      {":Include: /etc/list", {"include /etc/list"}},
      {":blackhole:", {"blackhole"}},
      {":fail: gone, see https://x.test/", {"fail gone, see https://x.test/"}},
      {"bob, :defer: later", {"name bob", "defer later"}},
      {",, bob ,", {"name bob"}},
      {"", {}},
  };
  for (const auto& row : rows) {
    Targets out;
    parse_items(row.text, 1, out);
    INFO(row.text);
    CHECK(describe(out.list) == row.want);
    CHECK(out.problems.empty());
  }
}

TEST_CASE("an item that can't be read is a problem and defers") {
  for (const char* text : {"two words", "a@", "@b", "a@b@", "|cat", "|", "|/bin/x 'open", ":include:relative", ":nonsense:", "a\x01", "a:b"}) {
    Targets out;
    parse_items(text, 7, out);
    INFO(text);
    CHECK(describe(out.list) == Strings{unreadable});
    REQUIRE(out.problems.size() == 1);
    CHECK(out.problems[0].line == 7);
  }
}

TEST_CASE("an alias file with comments, continuations and odd keys is read") {
  auto parsed = parse_aliases(
      "# system\n\nRoot: bob,\n\tcarol,\n# in between\n   dave\n\"odd key\": x\nsales@Example.NET : a@b.test\n@b\xc3\xbc" "cher.example: bob\r\n"
      "broken line\nroot: again\nempty:\nbad key: x\nlast: |/bin/x");
  REQUIRE(parsed.table.find("root"));
  CHECK(describe(*parsed.table.find("root")) == Strings{"name bob", "name carol", "name dave"});
  CHECK(parsed.table.find("odd key"));
  CHECK(describe(*parsed.table.find("sales@example.net")) == Strings{"address a@b.test"});
  CHECK(describe(*parsed.table.find("@xn--bcher-kva.example")) == Strings{"name bob"});
  CHECK(describe(*parsed.table.find("empty")) == Strings{"defer the alias leads nowhere"});
  CHECK(describe(*parsed.table.find("last")) == Strings{"command [/bin/x]"});
  REQUIRE(parsed.problems.size() == 3);
  CHECK(parsed.problems[0].line == 10);
  CHECK(parsed.problems[0].text == "\"broken line\" has no colon: an alias is \"name: items\"");
  CHECK(parsed.problems[1].line == 11);
  CHECK(parsed.problems[1].text == "\"root\" stands here again: the first one counts");
  CHECK(parsed.problems[2].line == 12);
}

TEST_CASE("a list file is lines of items with comments") {
  auto targets = parse_target_file("# list\na@b.test, bob\n\n  \\carol\r\n");
  CHECK(describe(targets.list) == Strings{"address a@b.test", "name bob", "name carol exact"});
  CHECK(targets.problems.empty());
}

TEST_CASE("random text never breaks the parsers") {
  std::mt19937 random(2);
  const std::string_view alphabet = "ab@:,|/\\\"'# \t\n<>.\x01\xc3\xbc";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 40; n > 0; --n) text += alphabet[random() % alphabet.size()];
    parse_aliases(text);
    parse_target_file(text);
  }
}

}  // namespace mansio::route
