#include "ldap/house.hpp"

namespace mansio::ldap {
namespace {

using Texts = std::vector<std::string>;
using Answer = Result<std::optional<route::DirectoryEntry>>;

Answer ask(const std::shared_ptr<Directory>& directory, const std::string& local, bool with_members = true) {
  return event::run_ready(directory->find(local, "ex.test", with_members));
}

TEST_CASE("an entry that is found is somebody, and none is nobody") {
  House house;
  house.add("bob@ex.test", entry("uid=bob", {}));
  auto directory = house.directory();
  auto bob = ask(directory, "bob");
  REQUIRE(bob);
  REQUIRE(bob->has_value());
  CHECK((*bob)->name == "uid=bob");
  CHECK((*bob)->addresses.empty());
  CHECK_FALSE((*bob)->group);
  CHECK_FALSE((*bob)->host);
  auto nobody = ask(directory, "nobody");
  REQUIRE(nobody);
  CHECK_FALSE(nobody->has_value());
  CHECK(house.told.empty());
}

TEST_CASE("a search asks for what is configured and no more") {
  House house;
  house.settings.scope = config::LdapScope::one;
  house.settings.member_addresses.clear();
  ask(house.directory(), "a b");
  REQUIRE(house.book->asked.size() == 1);
  const Search& search = house.book->asked.front();
  CHECK(search.base == "dc=ex,dc=test");
  CHECK(search.scope == config::LdapScope::one);
  CHECK(search.filter == "(mail=\"a b\"@ex.test)");      // a local part as it goes on the wire
  CHECK(search.attributes == Texts{"mailRoutingAddress", "mailHost", "member"});
}

TEST_CASE("whatever is not a clear answer is not known, and told once in a while") {
  House house;
  SECTION("several entries") {
    house.add("bob@ex.test", entry("uid=bob", {}));
    house.add("bob@ex.test", entry("uid=bob2", {}));
    CHECK_FALSE(ask(house.directory(), "bob"));
    CHECK(house.told == Texts{"directory company: bob@ex.test waits: several entries have this address"});
  }
  SECTION("a reference to elsewhere and nothing found here") {
    house.book->referred = true;
    CHECK_FALSE(ask(house.directory(), "bob"));
    CHECK(house.told.size() == 1);
  }
  SECTION("a base that does not exist") {
    house.book->base_missing = true;
    CHECK_FALSE(ask(house.directory(), "bob"));
    CHECK(house.told == Texts{"directory company: bob@ex.test waits: base: there is no entry dc=ex,dc=test"});
  }
  SECTION("a directory that is down has been told of") {
    house.book->trouble.emplace(Fault::closed, "down");
    CHECK_FALSE(ask(house.directory(), "bob"));
    CHECK(house.told.empty());
  }
  SECTION("an error that comes a hundred times") {
    house.book->trouble.emplace(Fault::busy, "size limit");
    auto directory = house.directory();
    for (int i = 0; i < 100; ++i) CHECK_FALSE(ask(directory, "bob"));
    CHECK(house.told.size() == 1);
    house.now += std::chrono::seconds(11);
    CHECK_FALSE(ask(directory, "bob"));
    CHECK(house.told.back() == "directory company: bob@ex.test waits: size limit (99 more of such were not written)");
  }
}

TEST_CASE("a reference beside an entry does no harm") {
  House house;
  house.book->referred = true;
  house.add("bob@ex.test", entry("uid=bob", {}));
  auto bob = ask(house.directory(), "bob");
  REQUIRE(bob);
  CHECK(bob->has_value());
}

TEST_CASE("the members of a group are looked up one by one") {
  House house;
  house.add("team@ex.test", entry("cn=team", {{"member", {"uid=bob", "uid=alice"}}, {"rfc822MailMember", {"x@far.test"}}}));
  house.add_member(entry("uid=bob", {{"mail", {"bob@ex.test", "robert@ex.test"}}}));
  house.add_member(entry("uid=alice", {{"Mail", {"alice@ex.test"}}}));
  auto directory = house.directory();
  auto team = ask(directory, "team");
  REQUIRE(team);
  CHECK((*team)->group);
  CHECK(texts((*team)->members) == Texts{"x@far.test", "bob@ex.test", "alice@ex.test"});
  CHECK(house.book->asked.size() == 3);
  CHECK(house.book->asked[1].base == "uid=bob");
  CHECK(house.book->asked[1].filter == "(objectClass=*)");
  CHECK(house.book->asked[1].attributes == Texts{"mail", "member", "rfc822MailMember"});
}

TEST_CASE("at RCPT the members are not looked up") {
  House house;
  house.add("team@ex.test", entry("cn=team", {{"member", {"uid=bob"}}}));
  auto team = ask(house.directory(), "team", false);
  REQUIRE(team);
  CHECK((*team)->group);
  CHECK((*team)->members.empty());
  CHECK(house.book->asked.size() == 1);
}

TEST_CASE("groups without an address are opened, also when they lead back") {
  House house;
  house.add("team@ex.test", entry("cn=team", {{"member", {"cn=inner", "CN=Inner"}}}));
  house.add_member(entry("cn=inner", {{"member", {"cn=team2", "uid=bob"}}}));
  house.add_member(entry("cn=team2", {{"member", {"cn=inner", "uid=bob"}}}));
  house.add_member(entry("uid=bob", {{"mail", {"bob@ex.test"}}}));
  auto team = ask(house.directory(), "team");
  REQUIRE(team);
  CHECK(texts((*team)->members) == Texts{"bob@ex.test"});
}

TEST_CASE("a member that is gone or has no address is left out and told of; a group without anybody waits") {
  House house;
  house.add("team@ex.test", entry("cn=team", {{"member", {"uid=gone", "uid=bob"}}}));
  house.add("empty@ex.test", entry("cn=empty", {{"member", {"uid=gone"}}}));
  house.add_member(entry("uid=bob", {{"mail", {"bob@ex.test"}}}));
  auto directory = house.directory();
  auto team = ask(directory, "team");
  REQUIRE(team);
  CHECK(texts((*team)->members) == Texts{"bob@ex.test"});
  CHECK(house.told == Texts{"directory company: the member uid=gone of a group does not exist: left out"});
  CHECK_FALSE(ask(directory, "empty"));
}

TEST_CASE("a member that can't be looked up, or has a bad address, makes the whole group wait") {
  House house;
  house.add("team@ex.test", entry("cn=team", {{"member", {"uid=bad", "uid=bob"}}}));
  house.add_member(entry("uid=bob", {{"mail", {"bob@ex.test"}}}));
  house.add_member(entry("uid=bad", {{"mail", {"bad address\r\n"}}}));
  CHECK_FALSE(ask(house.directory(), "team"));
}

TEST_CASE("members that are given in parts are fetched to the last one") {
  House house;
  std::vector<std::string> first, second;
  for (int i = 0; i < 5; ++i) {
    std::string name = "uid=u" + std::to_string(i);
    (i < 3 ? first : second).push_back(name);
    house.add_member(entry(name, {{"mail", {"u" + std::to_string(i) + "@ex.test"}}}));
  }
  house.add("big@ex.test", entry("cn=big", {{"member", {}}, {"member;range=0-2", first}}));
  SECTION("all of them") {
    house.book->answers["cn=big member;range=3-*"] = {entry("cn=big", {{"member;range=3-*", second}})};
    auto big = ask(house.directory(), "big");
    REQUIRE(big);
    CHECK(texts((*big)->members).size() == 5);
    CHECK(texts((*big)->members).back() == "u4@ex.test");
  }
  SECTION("a part that isn't there") { CHECK_FALSE(ask(house.directory(), "big")); }
  SECTION("a part that leads nowhere") {
    house.book->answers["cn=big member;range=3-*"] = {entry("cn=big", {{"member;range=0-2", first}})};
    CHECK_FALSE(ask(house.directory(), "big"));
  }
}

TEST_CASE("more than ten thousand members are too many") {
  House house;
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= most_values; ++i) names.push_back("uid=u" + std::to_string(i));
  house.add("huge@ex.test", entry("cn=huge", {{"member", names}}));
  CHECK_FALSE(ask(house.directory(), "huge"));
}

TEST_CASE("a directory is taken over by a reload only when nothing of it has changed") {
  House house;
  auto directory = house.directory();
  CHECK(directory->is_made_of(house.settings, Access()));
  Access other;
  other.password = crypto::Secret("new");
  CHECK_FALSE(directory->is_made_of(house.settings, other));
  house.settings.timeout = Duration(1);
  CHECK_FALSE(directory->is_made_of(house.settings, Access()));
}

}  // namespace
}  // namespace mansio::ldap
