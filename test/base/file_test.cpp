#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"

namespace mansio {
namespace {

struct Directory {
  std::string path = "/tmp/mansio-base-XXXXXX";
  Directory() {
    if (::mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("a file is replaced whole, with its mode, and leaves no other name") {
  Directory d;
  std::string path = d.path + "/f";
  REQUIRE(replace_file(path, "one", 0600).has_value());
  REQUIRE(replace_file(path, "two", 0640).has_value());
  CHECK(read_file(path, 100).value() == "two");
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == (0640 & ~022));
  CHECK(std::distance(std::filesystem::directory_iterator(d.path), {}) == 1);
  std::filesystem::create_symlink("/etc/passwd", d.path + "/link");
  REQUIRE(replace_file(d.path + "/link", "mine", 0600).has_value());
  CHECK_FALSE(std::filesystem::is_symlink(d.path + "/link"));
}

TEST_CASE("a file that is replaced with an owner has just the mode and the owner asked for") {
  Directory d;
  std::string path = d.path + "/f";
  uid_t owner = ::geteuid() == 0 ? 54321 : ::geteuid();
  gid_t group = ::geteuid() == 0 ? 54322 : ::getegid();
  REQUIRE(replace_file(path, "one", 0666, owner, group).has_value());
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0666);
  CHECK((st.st_uid == owner && st.st_gid == group));
  REQUIRE(replace_file(path, "two", 0640, static_cast<uid_t>(-1), static_cast<gid_t>(-1)).has_value());
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0640);
  CHECK(st.st_uid == ::geteuid());
  CHECK(read_file(path, 100).value() == "two");
}

TEST_CASE("a file that can't be replaced stays and leaves no temporary") {
  Directory d;
  std::filesystem::create_directory(d.path + "/dir");
  CHECK_FALSE(replace_file(d.path + "/dir", "x", 0600).has_value());
  CHECK(std::distance(std::filesystem::directory_iterator(d.path), {}) == 1);
  CHECK(replace_file(d.path + "/none/f", "x", 0600).error().fault() == Fault::not_found);
}

TEST_CASE("reads are bounded and exact") {
  Directory d;
  std::string path = d.path + "/f";
  REQUIRE(replace_file(path, std::string(20000, 'x'), 0600).has_value());
  CHECK(read_file(path, 20000).value().size() == 20000);
  auto longer = read_file(path, 19999);
  REQUIRE_FALSE(longer.has_value());
  CHECK(longer.error().fault() == Fault::too_long);
  CHECK(longer.error().text() == path + ": larger than the 19999 bytes allowed");
  CHECK(read_file(d.path + "/none", 10).error().fault() == Fault::not_found);
  auto fd = open_file(path, O_RDWR);
  REQUIRE(fd.has_value());
  CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(pwrite_all(fd->get(), "abc", 19997).has_value());
  char buffer[8];
  REQUIRE(pread_all(fd->get(), buffer, 4, 19996).has_value());
  CHECK(std::string(buffer, 4) == "xabc");
  CHECK(pread_all(fd->get(), buffer, 4, 19997).error().fault() == Fault::invalid);
  CHECK(sync_data(fd->get()).has_value());
  CHECK_FALSE(sync_file(-1).has_value());
}

TEST_CASE("a directory is made once, and another kind of file in its place is an error") {
  Directory d;
  CHECK(make_directory(d.path + "/a", 0700).has_value());
  CHECK(make_directory(d.path + "/a", 0700).has_value());
  REQUIRE(replace_file(d.path + "/f", "", 0600).has_value());
  CHECK(make_directory(d.path + "/f", 0700).error().fault() == Fault::exists);
  CHECK(make_directory(d.path + "/x/y", 0700).error().fault() == Fault::not_found);
}

}  // namespace mansio
