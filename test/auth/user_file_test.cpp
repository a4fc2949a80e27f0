#include "auth/user_file.hpp"

#include <catch2/catch.hpp>

#include "crypto/password.hpp"

namespace mansio::auth {
namespace {

const sasl::Decoy& decoy() {
  static const sasl::Decoy made(std::string(32, 'd'));
  return made;
}

std::string found(const UserFile& users, const std::string& name) {
  const auto* entry = users.find(name);
  return entry == nullptr ? "" : entry->name;
}

}  // namespace

TEST_CASE("a user is found by every form of the name, and only by those") {
  auto loaded = UserFile::load("Bob:{PLAIN}x\ncarol@Example.org:{PLAIN}x\ndave:{PLAIN}1\ndave@example.org:{PLAIN}2\neve@other.example:{PLAIN}x\n"
                               "fritz@b\xc3\xbc" "cher.example:{PLAIN}x\nj\xc3\xb6rg:{PLAIN}x\n", "example.org", decoy());
  CHECK(loaded.problems.empty());
  const auto& users = *loaded.users;
  struct Row { const char* name; const char* want; };
  const std::vector<Row> rows{
      {"bob", "bob"}, {"BOB", "bob"}, {"bob@example.org", "bob"}, {"Bob@EXAMPLE.org.", "bob"}, {"bob@other.example", ""},
      {"carol", "carol@example.org"}, {"carol@example.org", "carol@example.org"}, {"carol@x", ""},
      {"dave", "dave"}, {"dave@example.org", "dave@example.org"},
      {"eve", ""}, {"eve@other.example", "eve@other.example"},
      {"fritz@xn--bcher-kva.example", "fritz@xn--bcher-kva.example"}, {"fritz@b\xc3\xbc" "cher.example", "fritz@xn--bcher-kva.example"},
      {"j\xc3\xb6rg", "j\xc3\xb6rg"},
      {"", ""}, {"@example.org", ""}, {"bob@", ""}, {"bo", ""}, {"bob ", ""}, {"bob@-", ""},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK(found(users, row.name) == row.want);
  }
  CHECK(found(*UserFile::load("bob:{PLAIN}x\n", "", decoy()).users, "bob@example.org").empty());
}

TEST_CASE("who is locked, kept out or broken can't get in, and each broken line is told without its password") {
  auto loaded = UserFile::load(
      "good:{PLAIN}x\nlocked:!\nstar:{SHA512-CRYPT}*\nempty:\nnopass\n"
      "closed:{PLAIN}x::::::nologin\nreason:{PLAIN}x::::::nologin=gone\n"
      "scheme:{ROT13}geheim\nhash:{SHA512-CRYPT}geheim\n:{PLAIN}x\ngood:{PLAIN}y\nnet:{PLAIN}x::::::allow_nets=10.0.0.0/8,nonsense\n",
      "", decoy());
  for (const char* name : {"locked", "star", "empty", "nopass", "closed", "reason", "scheme", "hash"}) {
    INFO(name);
    REQUIRE(loaded.users->find(name));
    CHECK_FALSE(loaded.users->find(name)->usable);
    CHECK_FALSE(loaded.users->find(name)->admits("192.0.2.1"));
    CHECK_FALSE(loaded.users->find(name)->keys);
  }
  CHECK(loaded.users->find("good")->admits("192.0.2.1"));
  CHECK(loaded.users->find("good")->entry.view() == "{PLAIN}x");
  CHECK(loaded.users->usable() == 2);
  REQUIRE(loaded.problems.size() == 5);
  CHECK(loaded.problems[0] == "line 10: \"\" is no name of a user");
  CHECK(loaded.problems[1] == "line 11: \"good\" stands here again: the first one counts");
  CHECK(loaded.problems[2] == "line 8: \"scheme\": the password: unknown password scheme {ROT13}");
  CHECK(loaded.problems[3].starts_with("line 9: \"hash\": the password: "));
  CHECK(loaded.problems[4] == "line 12: \"net\": allow_nets: \"nonsense\" is no network");
  for (const auto& problem : loaded.problems) CHECK(problem.find("geheim") == std::string::npos);
}

TEST_CASE("allow_nets says where from") {
  auto loaded = UserFile::load("in:{PLAIN}x::::::userdb_x=y allow_nets=192.0.2.0/24,2001:db8::/32\nunix:{PLAIN}x::::::allow_nets=local\n"
                               "nowhere:{PLAIN}x::::::allow_nets=\nall:{PLAIN}x\n", "", decoy());
  struct Row { const char* user; const char* client; bool want; };
  const std::vector<Row> rows{
      {"in", "192.0.2.77", true}, {"in", "192.0.3.1", false}, {"in", "2001:db8::5", true}, {"in", "2001:db9::5", false}, {"in", "", false},
      {"unix", "", true}, {"unix", "192.0.2.77", false}, {"nowhere", "192.0.2.77", false}, {"nowhere", "", false}, {"all", "", true},
  };
  for (const auto& row : rows) {
    INFO(row.user << " from " << row.client);
    CHECK(loaded.users->find(row.user)->admits(row.client) == row.want);
  }
}

TEST_CASE("SCRAM keys come from entries that hold them, and are made of passwords with the salt a decoy shows") {
  auto scram = crypto::make_password_entry("SCRAM-SHA-256", "geheim");
  REQUIRE(scram);
  auto text = "a:" + *scram + "\nb:{PLAIN}geheim\nc:{SSHA256}" + std::string("vd3NLoZcN3iFmcEvuJ6GlXI6CMPuv6gL+3d4SSYgMzYAAQIDBAUGBw==") + "\n";
  auto loaded = UserFile::load(text, "", decoy());
  CHECK(loaded.problems.empty());
  const auto& users = *loaded.users;
  REQUIRE(users.find("a")->keys);
  CHECK(users.find("a")->keys == crypto::scram_keys_of(*scram).value());
  REQUIRE(users.find("b")->keys);
  auto shown = decoy().keys("b", crypto::Hash::sha256);
  CHECK(users.find("b")->keys->salt == shown.salt);
  CHECK(users.find("b")->keys == crypto::derive_scram_keys(crypto::Hash::sha256, "geheim", shown.salt, shown.iterations));
  CHECK(users.find("b")->keys == UserFile::load(text, "", decoy()).users->find("b")->keys);   // a reload tells nothing
  CHECK_FALSE(users.find("c")->keys);
  CHECK(users.usable() == 3);
  CHECK(users.with_keys() == 2);
}

TEST_CASE("the shape of decoys is that of most entries") {
  auto keys = [](std::uint32_t iterations, std::size_t salt) {
    return "{SCRAM-SHA-256}" + crypto::format_scram_keys(crypto::derive_scram_keys(crypto::Hash::sha256, "x", std::string(salt, 's'), iterations));
  };
  auto loaded = UserFile::load("a:" + keys(4096, 12) + "\nb:" + keys(5000, 16) + "\nc:" + keys(4096, 12) + "\n", "", decoy());
  CHECK(loaded.users->iterations() == 4096);
  CHECK(loaded.users->salt_size() == 12);
  CHECK(UserFile::load("", "", decoy()).users->iterations() == 0);
}

TEST_CASE("keys made of passwords have the shape of the others, at every load, so that a reload changes no salt") {
  auto keys = "{SCRAM-SHA-256}" + crypto::format_scram_keys(crypto::derive_scram_keys(crypto::Hash::sha256, "x", "twelve bytes", 4096));
  auto text = "a:" + keys + "\nb:{PLAIN}x\nc:{PLAIN}x\n";
  sasl::Decoy own(std::string(32, 'o'));
  auto first = UserFile::load(text, "", own);
  CHECK(first.users->iterations() == 4096);
  own.shape(first.users->iterations(), first.users->salt_size());
  auto second = UserFile::load(text, "", own);
  REQUIRE(first.users->find("b")->keys);
  CHECK(first.users->find("b")->keys == second.users->find("b")->keys);
  CHECK(first.users->find("b")->keys->salt == own.keys("b", crypto::Hash::sha256).salt);
  CHECK(first.users->find("b")->keys->iterations == 4096);
  auto third = UserFile::load("b:{PLAIN}x\n", "", own);   // now without a model
  CHECK(third.users->iterations() == crypto::scram_iterations_new);
  CHECK(third.users->salt_size() == 16);
}

TEST_CASE("an empty file has an entry to check against, whose password nobody knows") {
  auto one = UserFile::load("", "", decoy()), two = UserFile::load("locked:!\n", "", decoy());
  REQUIRE(one.users->stand_ins().size() == 1);
  CHECK(one.users->usable() == 0);
  CHECK(crypto::check_password_entry(one.users->stand_ins()[0]));
  CHECK_FALSE(crypto::is_locked(one.users->stand_ins()[0]));
  CHECK(one.users->stand_ins()[0] == two.users->stand_ins()[0]);   // made once
  CHECK_FALSE(two.users->find("")); 
}

}  // namespace mansio::auth
