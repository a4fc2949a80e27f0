#include "receive/pickup_folder.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/file.hpp"
#include "mail/badmail.hpp"

using namespace mansio;
using namespace mansio::receive;
namespace fs = std::filesystem;

namespace {

constexpr const char* letter_text = "From: a@a.test\nTo: b@b.test\nBcc: c@c.test\nSubject: x\n\nhello\n";

struct Scratch {
  Scratch() {
    char name[] = "/tmp/mansio-pickup-XXXXXX";
    root = ::mkdtemp(name);
    pickup = root + "/pickup";
    fs::create_directory(pickup);
    ::chmod(pickup.c_str(), 0700);
  }
  ~Scratch() { fs::remove_all(root); }
  void put(const std::string& name, const std::string& text) const { REQUIRE(replace_file(pickup + "/" + name, text, 0644)); }
  std::string root, pickup;
};

PickupFolder::Rules rules() {
  PickupFolder::Rules out(*mail::Domain::parse("ex.test"));
  out.size_limit = 1 << 20;
  out.recipients = 10;
  return out;
}

spool::QueueId an_id(int number) {
  spool::QueueIdSource ids(1, 0);
  spool::QueueId id;
  for (int i = 0; i < number; ++i) id = ids.next(Time(std::chrono::seconds(1'700'000'000)));
  return id;
}

std::vector<std::string> names_in(const PickupFolder& folder) {
  PickupFolder::Listing listing(folder.fd());
  auto names = listing.next(1000);
  std::ranges::sort(names);
  return names;
}

}  // namespace

TEST_CASE("hidden files and those that somebody is still writing are no letters") {
  for (const char* name : {"a.eml", "a.txt", "a", "-rf", "a.eml.1", "tmp", "\xff\xfe", "a\nb", "CON.EML"}) CHECK(is_letter_name(name));
  for (const char* name : {"", ".a.eml", ".", "..", "..a", "a~", "a.tmp", "a.eml.TMP", "a.part", "a.partial", "a.filepart", ".a.swp", "a.swp", "#a#", "a.lock", "a.bak"}) {
    INFO(name);
    CHECK(!is_letter_name(name));
  }
}

TEST_CASE("a pickup directory has to be one that others cannot replace or empty") {
  Scratch scratch;
  CHECK(PickupFolder::open(scratch.pickup));
  for (mode_t mode : {0755, 03730, 03733, 02770, 01777}) {
    INFO(mode);
    ::chmod(scratch.pickup.c_str(), mode);
    CHECK(PickupFolder::open(scratch.pickup));
  }
  ::chmod(scratch.pickup.c_str(), 0777);
  auto opened = PickupFolder::open(scratch.pickup);
  REQUIRE(!opened);
  CHECK_THAT(opened.error().text(), Catch::Contains("chmod +t"));
  ::chmod(scratch.pickup.c_str(), 0700);
  fs::create_directory_symlink(scratch.pickup, scratch.root + "/link");
  opened = PickupFolder::open(scratch.root + "/link");
  REQUIRE(!opened);
  CHECK_THAT(opened.error().text(), Catch::Contains("symbolic link"));
  opened = PickupFolder::open(scratch.root + "/missing");
  REQUIRE(!opened);
  CHECK_THAT(opened.error().text(), Catch::Contains("make it"));
}

TEST_CASE("a pickup directory is used by one at a time, and .mansio in it belongs to its user alone") {
  Scratch scratch;
  {
    auto first = PickupFolder::open(scratch.pickup);
    REQUIRE(first);
    auto second = PickupFolder::open(scratch.pickup);
    REQUIRE(!second);
    CHECK(second.error().fault() == Fault::busy);
  }
  CHECK(PickupFolder::open(scratch.pickup));
  ::chmod((scratch.pickup + "/.mansio").c_str(), 0755);
  auto wide = PickupFolder::open(scratch.pickup);
  REQUIRE(!wide);
  CHECK_THAT(wide.error().text(), Catch::Contains("remove it"));
  fs::remove_all(scratch.pickup + "/.mansio");
  fs::create_directory_symlink(scratch.root, scratch.pickup + "/.mansio");
  CHECK(!PickupFolder::open(scratch.pickup));
}

TEST_CASE("only plain files with one name are letters") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  using What = PickupFolder::What;
  scratch.put("good.eml", letter_text);
  scratch.put("linked.eml", letter_text);
  fs::create_hard_link(scratch.pickup + "/linked.eml", scratch.root + "/other");
  fs::create_symlink("/etc/passwd", scratch.pickup + "/symbolic");
  fs::create_symlink("/nowhere", scratch.pickup + "/dangling");
  ::mkfifo((scratch.pickup + "/fifo").c_str(), 0666);
  fs::create_directory(scratch.pickup + "/directory");
  scratch.put("empty", "");
  scratch.put("noise", std::string("\x00\x01\xff", 3) + std::string(4096, 'x'));
  scratch.put("large", std::string(letter_text) + std::string(2 << 20, 'x'));
  scratch.put("nobody.eml", "From: a@a.test\n\nhello\n");
  ::truncate((scratch.pickup + "/large").c_str(), 10ll << 30);
  struct Row {
    const char* name;
    What what;
    const char* why;
  };
  const Row rows[] = {
    {"good.eml", What::ready, ""}, {"linked.eml", What::left, "hard link"}, {"symbolic", What::left, "no plain file"}, {"dangling", What::left, "no plain file"},
    {"fifo", What::left, "no plain file"}, {"directory", What::left, "no plain file"}, {"empty", What::rejected, "empty"}, {"noise", What::rejected, "NUL"},
    {"large", What::rejected, "limits.message_size"}, {"nobody.eml", What::rejected, "no recipients"}, {"gone", What::gone, ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    auto found = (*folder)->look(row.name, rules());
    CHECK(found.what == row.what);
    CHECK_THAT(found.why, Catch::Contains(row.why));
  }
}

TEST_CASE("a letter that is taken is out of everybody's reach, and can be put back or discarded") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  std::string longest(255, 'n');
  for (const std::string& name : {std::string("a.eml"), longest, std::string("a\nb \x1b[1m")}) {
    scratch.put("x", letter_text);
    fs::rename(scratch.pickup + "/x", scratch.pickup + "/" + name);
    auto found = (*folder)->look(name, rules());
    REQUIRE(found.what == PickupFolder::What::ready);
    REQUIRE((*folder)->take(found, an_id(1)));
    CHECK(names_in(**folder).empty());
    auto left = (*folder)->leftovers();
    REQUIRE(left.size() == 1);
    CHECK(left[0].id == an_id(1));
    REQUIRE((*folder)->put_back(an_id(1), name));
    CHECK((*folder)->put_back(an_id(1), name));            // once more does nothing
    auto names = names_in(**folder);
    REQUIRE(names.size() == 1);
    CHECK(names[0] == (name.size() > 200 ? an_id(1).text() + "." + name.substr(0, 200) : name));
    found = (*folder)->look(names[0], rules());
    REQUIRE((*folder)->take(found, an_id(2)));
    REQUIRE((*folder)->discard(an_id(2), names[0]));
    CHECK((*folder)->leftovers().empty());
  }
}

TEST_CASE("a letter that was replaced, linked or written to after it was looked at is not taken") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  scratch.put("a.eml", letter_text);
  auto found = (*folder)->look("a.eml", rules());
  scratch.put("a.eml", std::string(letter_text) + "another");
  auto taken = (*folder)->take(found, an_id(1));
  REQUIRE(!taken);
  CHECK(taken.error().fault() == Fault::busy);
  found = (*folder)->look("a.eml", rules());
  fs::create_hard_link(scratch.pickup + "/a.eml", scratch.root + "/b");
  CHECK(!(*folder)->take(found, an_id(1)));
  fs::remove(scratch.root + "/b");
  found = (*folder)->look("a.eml", rules());
  {
    auto fd = open_file(scratch.pickup + "/a.eml", O_WRONLY | O_APPEND);
    REQUIRE(write_all(fd->get(), "more"));
  }
  CHECK(!(*folder)->take(found, an_id(1)));
  CHECK(names_in(**folder) == std::vector<std::string>{"a.eml"});
}

TEST_CASE("a file that goes back does not replace a new one of its name") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  scratch.put("a.eml", letter_text);
  auto found = (*folder)->look("a.eml", rules());
  REQUIRE((*folder)->take(found, an_id(1)));
  scratch.put("a.eml", "new");
  REQUIRE((*folder)->put_back(an_id(1), "a.eml"));
  CHECK(names_in(**folder) == std::vector<std::string>{an_id(1).text() + ".a.eml", "a.eml"});
}

TEST_CASE("badmail is the file as it was, with the reason beside it") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  scratch.put("a.eml", "no letter");
  auto found = (*folder)->look("a.eml", rules());
  REQUIRE(found.what == PickupFolder::What::rejected);
  REQUIRE((*folder)->take(found, an_id(1)));
  REQUIRE((*folder)->keep_as_badmail(scratch.root + "/badmail", an_id(1), "a.eml", found.why, found.owner.name, 1 << 20));
  CHECK((*folder)->leftovers().empty());
  std::string base = scratch.root + "/badmail/" + an_id(1).text();
  CHECK(read_file(base + ".eml", 1000).value() == "no letter");
  auto reason = mail::parse_badmail(read_file(base + ".reason", 10'000).value());
  REQUIRE(reason);
  CHECK(reason->why == found.why);
  CHECK(reason->file == scratch.pickup + "/a.eml");
  CHECK(reason->owner == found.owner.name);
}

TEST_CASE("a letter is read in CRLF, whatever its line ends are") {
  Scratch scratch;
  auto folder = PickupFolder::open(scratch.pickup);
  REQUIRE(folder);
  std::string body(200'000, 'x');
  for (const char* end : {"\n", "\r\n", "\r"}) {
    std::string text = std::string("X-Receiver: b@b.test") + end + "Subject: x" + end + end + "..two" + end + "." + end + body;
    scratch.put("a.eml", text);
    auto found = (*folder)->look("a.eml", rules());
    REQUIRE(found.what == PickupFolder::What::ready);
    CHECK(found.letter->letter().header == "Subject: x\r\n\r\n");
    std::string all;
    for (;;) {
      auto piece = found.letter->next();
      REQUIRE(piece);
      if (piece->empty()) break;
      all += *piece;
    }
    CHECK(all == "..two\r\n.\r\n" + body + "\r\n");
    CHECK(!found.letter->eight_bit());
  }
}
