#include <fmt/format.h>

#include "config/places.hpp"
#include "route/house.hpp"

namespace mansio::route {
namespace {

// The steps as a tree, two blanks for each level: "KIND TEXT @PLACE".
void draw(const std::vector<Step>& steps, std::size_t parent, int depth, std::vector<std::string>& out) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].parent != parent) continue;
    std::string place = steps[i].place.empty() ? "" : " @" + steps[i].place;
    out.push_back(fmt::format("{:{}}{} {}{}", "", depth * 2, word_of(steps[i].kind), steps[i].text, place));
    draw(steps, i, depth + 1, out);
  }
}

std::vector<std::string> tree(House& house, const std::string& aliases, const std::string& recipient) {
  config::Places places("/m.conf");
  int line = 0;
  for (const char* path : {"domains.local", "domains.alias[0]", "domains.local[0]", "routes[0]", "routes[3]", "routes[4]", "postmaster", "mail_name"}) {
    places.add(path, {"/m.conf", ++line});
  }
  house.config->places = std::make_shared<const config::Places>(std::move(places));
  house.config->aliases = "/a";
  auto router = house.router(aliases);
  std::vector<Step> steps;
  auto explained = event::run_ready(router.explain(address(recipient), "me@x.test", &steps));
  auto resolved = event::run_ready(router.resolve(address(recipient), "me@x.test"));
  REQUIRE(explained.destinations.size() == resolved.destinations.size());
  for (std::size_t i = 0; i < resolved.destinations.size(); ++i) CHECK(explained.destinations[i].key() == resolved.destinations[i].key());
  REQUIRE(explained.refusals.size() == resolved.refusals.size());
  std::size_t ends = 0;
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::destination) CHECK(step.index < explained.destinations.size());
    if (step.kind == Step::Kind::refusal) CHECK(explained.refusals.at(step.index).status.line() == step.text);
    if (step.index != Step::none) ++ends;
  }
  CHECK(ends == explained.destinations.size() + explained.refusals.size());
  std::vector<std::string> out;
  draw(steps, Step::none, 0, out);
  return out;
}

using TreeLines = std::vector<std::string>;
const std::string bob_here = "user bob of this machine @/m.conf:5", bob_box = "destination /home/bob/Maildir";

}  // namespace

TEST_CASE("the steps from an address to its places stand under each other with file and line") {
  struct Row { const char* name; const char* aliases; const char* recipient; TreeLines want; };
  const Row rows[] = {
      {"a user", "", "bob@example.org", {"address bob@example.org @/m.conf:3", "  " + bob_here, "    " + bob_box}},
      {"a detail", "", "bob+x@example.org", {"address bob+x@example.org @/m.conf:3", "  user bob of this machine (without \"+x\") @/m.conf:5", "    " + bob_box}},
      {"an alias domain", "", "bob@example.net",
       {"address bob@example.net", "  domain_alias bob@example.org @/m.conf:2", "    " + bob_here, "      " + bob_box}},
      {"somebody else's domain", "", "x@far.test", {"address x@far.test", "  destination x@far.test"}},
      {"a chain", "# a comment\nteam: staff,\n  x@far.test\nstaff: bob\n", "team@example.org",
       {"address team@example.org @/m.conf:3", "  alias team @/a:2", "    address staff@example.org @/m.conf:3", "      alias staff @/a:4",
        "        address bob@example.org @/m.conf:3", "          " + bob_here, "            " + bob_box,
        "    address x@far.test", "      destination x@far.test"}},
      {"the same place twice", "team: bob, bob+x\n", "team@example.org",
       {"address team@example.org @/m.conf:3", "  alias team @/a:1", "    address bob@example.org @/m.conf:3", "      " + bob_here, "        " + bob_box,
        "    address bob+x@example.org @/m.conf:3", "      user bob of this machine (without \"+x\") @/m.conf:5", "        again /home/bob/Maildir"}},
      {"a loop", "loop: pool\npool: loop\n", "loop@example.org",
       {"address loop@example.org @/m.conf:3", "  alias loop @/a:1", "    address pool@example.org @/m.conf:3", "      alias pool @/a:2",
        "        address loop@example.org @/m.conf:3", "          refusal 550 5.4.6 the aliases of this address form a loop"}},
      {"a catch-all", "@example.org: bob\n", "nobody@example.org",
       {"address nobody@example.org @/m.conf:3", "  catch_all @example.org @/a:1", "    address bob@example.org @/m.conf:3", "      " + bob_here, "        " + bob_box}},
      {"postmaster", "", "postmaster@example.org",
       {"address postmaster@example.org @/m.conf:3", "  postmaster admin@example.org @/m.conf:7", "    address admin@example.org @/m.conf:3",
        "      user admin of this machine @/m.conf:5", "        destination /home/admin/Maildir"}},
      {"a virtual user", "", "dave@virtual.test", {"address dave@virtual.test @/m.conf:1", "  user dave @/users:1", "    destination /srv/virtual.test/dave"}},
      {"a name that the alias's domain doesn't know", "t@list.test: bob\n", "t@list.test",
       {"address t@list.test @/m.conf:1", "  alias t@list.test @/a:1", "    address bob@list.test @/m.conf:1", "      main_domain example.org @/m.conf:8",
        "        address bob@example.org @/m.conf:3", "          " + bob_here, "            " + bob_box}},
      {"nobody", "", "nobody@example.org", {"address nobody@example.org @/m.conf:3", "  refusal 550 5.1.1 no such user here"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    House house;
    auto got = tree(house, row.aliases, row.recipient);
    CHECK(got == row.want);
  }
}

TEST_CASE("a ~/.forward and what stands in the tree already are steps too") {
  House house;
  house.users.users["bob"].forward = "carol\n\\bob\n";
  CHECK(tree(house, "", "bob@example.org") ==
        TreeLines{"address bob@example.org @/m.conf:3", "  " + bob_here, "    forward bob @/home/bob/.forward", "      address carol@example.org @/m.conf:3",
              "        user carol of this machine @/m.conf:5", "          destination /home/carol/Maildir", "      address bob@example.org @/m.conf:3",
              "        " + bob_here, "          " + bob_box});
}

TEST_CASE("an expansion without bounds leaves its end alone in the record") {
  House house;
  std::string aliases;
  for (int i = 0; i < 60; ++i) aliases += fmt::format("deep{}: deep{}\n", i, i + 1);
  CHECK(tree(house, aliases, "deep0@example.org") ==
        TreeLines{"address deep0@example.org", "  refusal 550 5.4.6 the aliases of this address are nested too deep"});
}

TEST_CASE("the entry of a list that matches is found, also when it is a look-up") {
  config::Config config;
  config::Places places("/m.conf");
  places.add("relay_from", {"/m.conf", 1});
  places.add("relay_from[1]", {"/m.conf", 2});
  places.add("relay_from[2]", {"/m.conf", 3});
  config.places = std::make_shared<const config::Places>(std::move(places));
  std::vector<std::string> networks{"192.0.2.0/24", "file:/more", "::1"};
  CHECK(place_of_client(config, "relay_from", networks, "192.0.2.9", config::ClientName(config::ClientName::State::known)) == "/m.conf:1");
  CHECK(place_of_client(config, "relay_from", networks, "::1", config::ClientName(config::ClientName::State::known)) == "/m.conf:3");
  CHECK(place_of_client(config, "relay_from", networks, "198.51.100.1", config::ClientName(config::ClientName::State::known)) == "/m.conf:2 (file:/more)");
  CHECK(place_of_domain(config, "domains.relay_to", {"*.b.test"}, "x.b.test") == "default");
  CHECK(place_of_domain(config, "domains.relay_to", {}, "x.b.test").empty());
}

}  // namespace mansio::route
