#include <filesystem>
#include <fstream>

#include <zlib.h>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "history/reader.hpp"
#include "log/json.hpp"
#include "log/text.hpp"

using namespace mansio;
using namespace mansio::history;
namespace fs = std::filesystem;

namespace {

const Time began = Time(std::chrono::seconds(1'763'600'000));

struct Directory {
  Directory() {
    char name[] = "/tmp/mansio-history-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { fs::remove_all(path); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path + "/" + name) << text; }
  void write_packed(const std::string& name, const std::string& text, std::size_t cut_off = 0) const {
    std::string file = path + "/" + name;
    gzFile out = ::gzopen(file.c_str(), "wb");
    ::gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(out);
    if (cut_off > 0) fs::resize_file(file, fs::file_size(file) - cut_off);
  }
  std::string path;
};

std::string id_of_line(int n) { return fmt::format("1tBx6K-{:06}-AA", n); }

// Lines n .. n+count-1, one a minute.
std::string lines(int n, int count, bool json = false) {
  std::string out;
  for (int i = n; i < n + count; ++i) {
    log::Event event = log::Completed{id_of_line(i), Duration(i % 1000)};
    Time time = began + std::chrono::minutes(i);
    out += (json ? log::format_json(event, time) : log::format_text(event, time)) + '\n';
  }
  return out;
}

std::vector<int> numbers(const Query& query, Walk* walk = nullptr) {
  std::vector<int> out;
  auto done = read(query, [&](std::string_view, const Record& record) {
    if (std::holds_alternative<log::Completed>(record.event)) out.push_back(std::stoi(id_of(record.event).substr(7, 6)));
    return true;
  });
  REQUIRE(done);
  if (walk != nullptr) *walk = *done;
  return out;
}

std::vector<int> range(int from, int to) {
  std::vector<int> out;
  for (int i = from; i < to; ++i) out.push_back(i);
  return out;
}

std::vector<int> reversed(std::vector<int> all) {
  std::reverse(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("files are read from old to new and from new to old, whatever logrotate called them") {
  Directory dir;
  dir.write("mainlog", lines(30, 10));
  SECTION("numbered") {
    dir.write("mainlog.1", lines(20, 10));
    dir.write_packed("mainlog.2.gz", lines(10, 10));
    dir.write_packed("mainlog.10.gz", lines(0, 10));
  }
  SECTION("dated") {
    dir.write("mainlog-20251122", lines(20, 10));
    dir.write_packed("mainlog-20251121.gz", lines(10, 10));
    dir.write_packed("mainlog-20251120-1763600000.gz", lines(0, 10));
  }
  SECTION("while one is compressed, and with others beside") {
    dir.write("mainlog.1", lines(20, 10));
    dir.write("mainlog.2", lines(10, 10));
    dir.write("mainlog.2.gz", "not yet whole");
    dir.write("mainlog.3", lines(0, 10));
    dir.write("mainlog.bak", lines(90, 10));
    dir.write("mainlog.json", lines(30, 10, true));
    dir.write("rejectlog", lines(90, 10));
    dir.write("mainlog.4", "");
    fs::create_directory(dir.path + "/mainlog.5");
  }
  CHECK(numbers({.directory = dir.path}) == range(0, 40));
  CHECK(numbers({.directory = dir.path, .newest_first = true}) == reversed(range(0, 40)));
}

TEST_CASE("a JSON log is read where it is the only one") {
  Directory dir;
  SECTION("of format json") { dir.write("mainlog", lines(0, 5, true)); }
  SECTION("under its other name") { dir.write("mainlog.json", lines(0, 5, true)); }
  CHECK(numbers({.directory = dir.path}) == range(0, 5));
  CHECK(numbers({.directory = dir.path, .since = began + std::chrono::minutes(2), .newest_first = true}) == reversed(range(2, 5)));
}

TEST_CASE("a range of time is found in large files without reading all of them") {
  Directory dir;
  dir.write_packed("mainlog.2.gz", lines(0, 20'000));
  dir.write("mainlog.1", lines(20'000, 20'000));
  dir.write("mainlog", lines(40'000, 20'000));
  auto at = [](int n) { return began + std::chrono::minutes(n); };
  for (auto [from, to] : {std::pair{0, 3}, {19'990, 20'010}, {19'999, 40'001}, {33'333, 33'340}, {59'990, 60'000}, {20'000, 20'000}}) {
    CAPTURE(from, to);
    CHECK(numbers({.directory = dir.path, .since = at(from), .until = at(to)}) == range(from, to));
    CHECK(numbers({.directory = dir.path, .since = at(from), .until = at(to), .newest_first = true}) == reversed(range(from, to)));
  }
  Walk walk;
  CHECK(numbers({.directory = dir.path, .since = at(59'000)}, &walk).size() == 1000);
  CHECK(walk.files == std::vector<std::string>{dir.path + "/mainlog"});
}

TEST_CASE("a message is found by its id, with the arrival of its bounce and nothing else") {
  Directory dir;
  std::string id = id_of_line(17);
  log::Event bounce = log::Arrival{.id = id_of_line(18), .reply_to_id = id, .protocol = "local", .size = 3};
  dir.write_packed("mainlog.2.gz", lines(0, 9000));
  dir.write("mainlog.1", log::format_text(log::Notice{"", "x" + id + "x", false}, began) + '\n' + log::format_text(bounce, began + std::chrono::hours(200)));
  for (bool newest_first : {false, true}) {
    std::vector<std::string> found;
    auto done = read({.directory = dir.path, .id = id, .newest_first = newest_first}, [&](std::string_view line, const Record&) {
      found.emplace_back(line);
      return true;
    });
    REQUIRE(done);
    REQUIRE(found.size() == 2);
    CHECK(found[newest_first ? 1 : 0].ends_with(id + " Completed QT=0.017s"));
    CHECK(found[newest_first ? 0 : 1].ends_with("<= <> R=" + id + " P=local S=3"));
  }
}

TEST_CASE("the walk ends when the caller has enough") {
  Directory dir;
  dir.write("mainlog.1", lines(0, 10));
  dir.write("mainlog", lines(10, 10));
  int left = 12;
  auto done = read({.directory = dir.path}, [&](std::string_view, const Record&) { return --left > 0; });
  REQUIRE(done);
  CHECK(done->lines == 12);
}

TEST_CASE("a damaged file is told of, and what it still holds is read") {
  Directory dir;
  dir.write_packed("mainlog.1.gz", lines(0, 50'000), 20'000);
  dir.write("mainlog", lines(50'000, 3) + "torn li");
  Walk walk;
  auto found = numbers({.directory = dir.path}, &walk);
  REQUIRE(found.size() > 1000);
  CHECK(std::vector<int>(found.end() - 3, found.end()) == range(50'000, 50'003));
  CHECK(walk.unknown >= 1);
  REQUIRE(walk.problems.size() == 1);
  CHECK(walk.problems[0] == dir.path + "/mainlog.1.gz: ends early");
  std::vector<int> backward = numbers({.directory = dir.path, .newest_first = true}, &walk);
  CHECK(backward == reversed(found));
  CHECK(walk.problems.size() == 1);
}

TEST_CASE("no log at all is an error, and a line without end or bound is skipped") {
  Directory dir;
  auto nothing = read({.directory = dir.path}, [](std::string_view, const Record&) { return true; });
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().fault() == Fault::not_found);
  CHECK(nothing.error().text() == "there is no mainlog in " + dir.path);
  auto missing = read({.files = {dir.path + "/x"}}, [](std::string_view, const Record&) { return true; });
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text() == dir.path + "/x: no such file");

  dir.write("mainlog", lines(0, 2) + log::format_text(log::Notice{"", "", false}, began) + std::string(5'000'000, 'x') + "\n" + lines(2, 2));
  Walk walk;
  CHECK(numbers({.directory = dir.path}, &walk) == range(0, 4));
  CHECK(walk.unknown == 1);
}

TEST_CASE("the envelope in the reject log belongs to the refusal above it") {
  Directory dir;
  log::Rejection rejection{.id = id_of_line(1), .host = {"", "", "192.0.2.1", 0}, .sender = "a@b", .stage = log::Rejection::Stage::data,
                           .reason = "no", .recipients = {"x@y.test"}, .headers = {"Subject: s"}};
  std::string one = log::format_text(rejection, began) + '\n' + log::format_reject_details(rejection);
  dir.write("rejectlog", one + one);
  int seen = 0;
  auto done = read({.directory = dir.path, .log = "rejectlog"}, [&](std::string_view, const Record& record) {
    const auto& refused = std::get<log::Rejection>(record.event);
    CHECK(refused.recipients == rejection.recipients);
    CHECK(refused.headers == rejection.headers);
    ++seen;
    return true;
  });
  REQUIRE(done);
  CHECK(seen == 2);
  CHECK(done->unknown == 0);
}

TEST_CASE("a rotation during the walk loses and repeats nothing") {
  Directory dir;
  dir.write("mainlog.1", lines(0, 10'000));
  dir.write("mainlog", lines(10'000, 10));
  std::vector<int> found;
  auto done = read({.directory = dir.path}, [&](std::string_view, const Record& record) {
    if (found.empty()) {
      fs::rename(dir.path + "/mainlog.1", dir.path + "/mainlog.2");
      fs::rename(dir.path + "/mainlog", dir.path + "/mainlog.1");
      dir.write("mainlog", lines(10'010, 10));
    }
    found.push_back(std::stoi(id_of(record.event).substr(7, 6)));
    return true;
  });
  REQUIRE(done);
  CHECK(found == range(0, 10'010));
}

TEST_CASE("times are written as people do") {
  ::setenv("TZ", "Europe/Vienna", 1);
  ::tzset();
  Time now = Time(std::chrono::seconds(1'763'647'400));        // 2025-11-20 15:03:20 in Vienna
  auto seconds = [&](std::string_view text) {
    auto when = parse_when(text, now);
    return when ? std::chrono::duration_cast<std::chrono::seconds>(when->time_since_epoch()).count() : -1;
  };
  CHECK(seconds("now") == 1'763'647'400);
  CHECK(seconds("90m") == 1'763'642'000);
  CHECK(seconds("1d") == 1'763'561'000);
  CHECK(seconds("today") == 1'763'593'200);
  CHECK(seconds("Yesterday") == 1'763'506'800);
  CHECK(seconds("2025-11-20") == 1'763'593'200);
  CHECK(seconds("2025-11-20 15:03") == 1'763'647'380);
  CHECK(seconds("2025-11-20T15:03:20") == 1'763'647'400);
  for (const char* no : {"", "x", "2025", "2025-11-2", "2025-11-20x", "2025-19-20", "5", "-1d"}) CHECK(seconds(no) == -1);
  ::unsetenv("TZ");
  ::tzset();
}
