#include "queue/badmail.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include "queue/letter.hpp"

using namespace mansio;
using namespace mansio::queue;

namespace {

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) out.push_back(entry.path().filename());
  std::ranges::sort(out);
  return out;
}

}  // namespace

TEST_CASE("badmail is exactly the message, and the reason in words") {
  std::string content = "Subject: x\r\n\r\n" + std::string(200'000, 'y') + "\r\n";
  Letter letter(content, {"bob@far.test"});
  letter.message.envelope.sender.reset();
  std::string directory = letter.directory.path + "/badmail", id = letter.message.id.text();
  for (int round = 0; round < 2; ++round) {       // the second time it is there already
    REQUIRE(keep_badmail(directory, letter.message, letter.message.envelope, "bob@far.test: 550 5.1.1 no such user\n"));
    CHECK(names_in(directory) == std::vector<std::string>{id + ".eml", id + ".reason"});
    CHECK(read_file(directory + "/" + id + ".eml", 1 << 20).value() == "Received: ours\r\n" + content);
    std::string reason = read_file(directory + "/" + id + ".reason", 1 << 20).value();
    CHECK(reason.starts_with(id + " was kept on "));
    CHECK(reason.find("\n\nbob@far.test: 550 5.1.1 no such user\n\nIts envelope:\nmansio-envelope 1\n") != reason.npos);
    CHECK(reason.find("recipient: bob@far.test\n") != reason.npos);
  }
  for (const char* suffix : {".eml", ".reason"}) {
    struct stat found{};
    REQUIRE(::stat((directory + "/" + id + suffix).c_str(), &found) == 0);
    CHECK((found.st_mode & 07777) == 0600);
  }
}

TEST_CASE("badmail that can't be written is an error and leaves no part behind") {
  Letter letter("A: b\r\n\r\nx\r\n", {"bob@far.test"});
  letter.message.content.length += 1000;          // ends early
  std::string directory = letter.directory.path + "/badmail";
  CHECK_FALSE(keep_badmail(directory, letter.message, letter.message.envelope, "why"));
  CHECK(names_in(directory).empty());
  CHECK_FALSE(keep_badmail(letter.directory.path + "/no/such", letter.message, letter.message.envelope, "why"));
}

TEST_CASE("what a crash left of an earlier try is written over, but no link is followed") {
  Letter letter("A: b\r\n\r\nx\r\n", {"bob@far.test"});
  std::string directory = letter.directory.path + "/badmail", name = directory + "/" + letter.message.id.text() + ".eml";
  REQUIRE(make_directory(directory, 0700));
  REQUIRE(replace_file(name + ".tmp", std::string(5000, 'z'), 0600));
  REQUIRE(keep_badmail(directory, letter.message, letter.message.envelope, "why"));
  CHECK(read_file(name, 1 << 20).value() == "Received: ours\r\nA: b\r\n\r\nx\r\n");
  std::string victim = letter.directory.path + "/victim";
  REQUIRE(replace_file(victim, "kept", 0600));
  std::filesystem::create_symlink(victim, name + ".tmp");
  CHECK_FALSE(keep_badmail(directory, letter.message, letter.message.envelope, "why"));
  CHECK(read_file(victim, 100).value() == "kept");
}
