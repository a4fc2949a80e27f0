#include "table/list.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mansio::table {

TEST_CASE("a list has one entry a line, without comments and blanks") {
  auto list = parse_list("# heads\n  example.org \r\n\n*.example.net\n#x\nlast");
  REQUIRE(list);
  CHECK(*list == std::vector<std::string>{"example.org", "*.example.net", "last"});
  CHECK(parse_list("").value().empty());
}

TEST_CASE("a list with a control character or an endless line is refused and the line named") {
  CHECK(parse_list("a\nb\x01\n").error().text() == "line 2: holds a control character");
  CHECK(parse_list(std::string("a\0b", 3)).error().text() == "line 1: holds a control character");
  CHECK(parse_list(std::string(2000, 'x')).error().text() == "line 1: longer than 1024 bytes");
}

TEST_CASE("a stamp tells that a file has changed, come or gone") {
  const char* base = std::getenv("TMPDIR");
  std::string path = std::string(base == nullptr ? "/tmp" : base) + "/mansio-table-XXXXXX";
  REQUIRE(::mkdtemp(path.data()) != nullptr);
  auto file = path + "/list";
  auto none = stamp_of(file);
  CHECK_FALSE(has_changed(none));
  CHECK(read_table_file(file).error().fault() == Fault::not_found);
  std::ofstream(file) << "a\n";
  CHECK(has_changed(none));
  auto read = read_table_file(file);
  REQUIRE(read);
  CHECK(read->text == "a\n");
  CHECK_FALSE(has_changed(read->stamp));
  std::ofstream(file, std::ios::app) << "b\n";
  CHECK(has_changed(read->stamp));
  auto again = stamp_of(file);
  std::filesystem::permissions(file, std::filesystem::perms(0666));
  CHECK(has_changed(again));
  std::filesystem::remove(file);
  CHECK(has_changed(again));
  CHECK(read_table_file(path).error().fault() == Fault::denied);
  std::filesystem::remove_all(path);
}

TEST_CASE("only file: look-ups have a path") {
  CHECK(path_of_look_up("file:/etc/x") == "/etc/x");
  CHECK(path_of_look_up("example.org").empty());
}

}  // namespace mansio::table
