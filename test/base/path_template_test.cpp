#include <catch2/catch.hpp>

#include "base/path_template.hpp"

namespace mansio {

using namespace std::string_literals;

TEST_CASE("places are filled once") {
  TemplateValues values{{"local", "bob"}, {"domain", "b.test"}, {"home", "/home/bob"}, {"detail", "{home}"}};
  CHECK(fill_path("/var/mail/{local}", values).value() == "/var/mail/bob");
  CHECK(fill_path("~/Maildir", values).value() == "/home/bob/Maildir");
  CHECK(fill_path("/m/{domain}/{local}.box", values).value() == "/m/b.test/bob.box");
  CHECK(fill_path("/m/{detail}", values).value() == "/m/{home}");
  CHECK(fill_path("/a~/b", values).value() == "/a~/b");
  CHECK(fill_path("", values).value().empty());
}

TEST_CASE("no value leaves its component") {
  for (const std::string& hostile : {""s, "."s, ".."s, "../x"s, "/etc/passwd"s, "a/b"s, "a\0b"s, "a\nb"s, ".hidden"s, "\x7f"s, "a/"s, std::string(201, 'x')}) {
    for (const char* place : {"local", "domain", "user", "detail", "sender"}) {
      TemplateValues values{{place, hostile}};
      auto filled = fill_path("/m/{"s + place + "}/x", values);
      REQUIRE_FALSE(filled.has_value());
      CHECK(filled.error().fault() == Fault::denied);
      CHECK(filled.error().text().find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a home is absolute and has no control bytes") {
  for (const std::string& home : {""s, "relative"s, "/home/b\0b"s, "/home/b\nb"s}) {
    TemplateValues values{{"home", home}};
    CHECK_FALSE(fill_path("~/Maildir", values).has_value());
    CHECK_FALSE(fill_path("{home}/Maildir", values).has_value());
  }
  CHECK(fill_path("/m/{user}", {}).error().fault() == Fault::not_found);
}

TEST_CASE("templates are checked before they are used") {
  for (const char* good : {"", "/x", "{local}{domain}", "~/x", "}"}) CHECK(check_template(good).has_value());
  for (const char* bad : {"{", "{local", "{}", "{Local}", "{local }", "{{local}}", "{passwd}", "x{home"}) {
    INFO(bad);
    CHECK_FALSE(check_template(bad).has_value());
  }
}

TEST_CASE("a word of a command can't become an option or be cut") {
  CHECK(fill_word("{local}", {{"local", "bob"}}).value() == "bob");
  CHECK(fill_word("-f{sender}", {{"sender", "-x"}}).value() == "-f-x");
  CHECK(fill_word("{sender}", {}).value().empty());
  CHECK(fill_word("{sender}", {{"sender", "a b;c`d`$(e)"}}).value() == "a b;c`d`$(e)");
  CHECK_FALSE(fill_word("{sender}", {{"sender", "-oProxy"}}).has_value());
  CHECK_FALSE(fill_word("{detail}{sender}", {{"detail", ""}, {"sender", "-x"}}).has_value());
  CHECK_FALSE(fill_word("x{sender}", {{"sender", "a\0b"s}}).has_value());
}

}  // namespace mansio
