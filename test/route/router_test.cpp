#include "route/router.hpp"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <functional>

#include "route/house.hpp"

namespace mansio::route {
namespace {

std::string describe(const Destination& d) {
  switch (d.kind) {
    case DestinationKind::mailbox: return fmt::format("{} mailbox {} {}:{} {}", d.address.text(), d.route, d.uid, d.gid, d.path);
    case DestinationKind::program: return fmt::format("{} program {} {} {}", d.address.text(), d.route, d.uid, fmt::join(d.command, " "));
    case DestinationKind::file: return fmt::format("{} file {} {}", d.address.text(), d.uid, d.path);
    case DestinationKind::drop: return fmt::format("{} drop {}", d.address.text(), d.path);
    case DestinationKind::remote: return fmt::format("{} remote {}", d.address.text(), d.transport->name);
    case DestinationKind::discard: return "discard";
  }
  return {};
}

std::vector<std::string> resolve(Router& router, const std::string& recipient, const std::string& sender = "me@x.test") {
  auto resolution = event::run_ready(router.resolve(address(recipient), sender));
  std::vector<std::string> out;
  for (const auto& d : resolution.destinations) out.push_back(describe(d));
  for (const auto& r : resolution.refusals) out.push_back(r.status.line());
  return out;
}

std::string verify(Router& router, const std::string& recipient, const std::string& sender = "me@x.test") {
  auto verdict = event::run_ready(router.verify(address(recipient), sender));
  switch (verdict.standing) {
    case Standing::local: return "local";
    case Standing::relay: return "relay";
    case Standing::remote: return "remote";
    case Standing::refused: return verdict.status.line();
  }
  return {};
}

using Strings = std::vector<std::string>;
const std::string bobs = "bob@example.org mailbox local 1001:1002 /home/bob/Maildir";
const std::string carols = "carol@example.org mailbox local 1002:1003 /home/carol/Maildir";
const std::string nobody = "550 5.1.1 no such user here";

}  // namespace

TEST_CASE("at RCPT an address is local, relayed, remote or refused") {
  House house;
  auto router = house.router("gone: :fail: moved away\nlater: :defer: soon\nloop: pool\npool: loop\nteam: nobody, bob\nteam2: nobody2\nfar: x@far.test\n@list.test: bob\n");
  struct Row { const char* recipient; const char* want; };
  for (auto row : {Row{"bob@example.org", "local"}, {"BOB@Example.ORG", "local"}, {"bob+x@example.org", "local"}, {"bob@example.net", "local"},
                   {"nobody@example.org", "550 5.1.1 no such user here"}, {"nobody+x@example.org", "550 5.1.1 no such user here"}, {"slow@example.org", "451 4.3.0 the user can't be looked up at the moment"},
                   {"gone@example.org", "550 5.1.1 moved away"}, {"later@example.org", "450 4.2.1 soon"}, {"team@example.org", "local"},
                   {"team2@example.org", "550 5.1.1 no such user here"}, {"loop@example.org", "550 5.4.6 the aliases of this address form a loop"},
                   {"far@example.org", "local"}, {"dave@virtual.test", "local"}, {"erin@virtual.test", "local"}, {"dave@list.test", "local"},
                   {"bob@virtual.test", "550 5.1.1 no such user here"}, {"broken@virtual.test", "451 4.3.0 the user can't be looked up at the moment"},
                   {"anything@drop.test", "local"}, {"x@branch.test", "relay"}, {"x@far.test", "remote"}, {"x@sub.example.org", "remote"},
                   {"Postmaster@example.org", "local"}, {"postmaster@example.net", "local"}, {"postmaster@mail.example.org", "local"}, {"postmaster@far.test", "remote"}}) {
    INFO(row.recipient);
    CHECK(verify(router, row.recipient) == row.want);
  }
}

TEST_CASE("a local user's mail goes to the mailbox of the route, with the user's ids") {
  House house;
  auto router = house.router();
  CHECK(resolve(router, "bob@example.org") == Strings{bobs});
  CHECK(resolve(router, "BoB@EXAMPLE.org") == Strings{"BoB@EXAMPLE.org mailbox local 1001:1002 /home/bob/Maildir"});
  CHECK(resolve(router, "bob@example.net") == Strings{bobs});
  CHECK(resolve(router, "bob+lists@example.org") == Strings{"bob+lists@example.org mailbox local 1001:1002 /home/bob/Maildir"});
  CHECK(resolve(router, "bob+vip@example.org") == Strings{"bob+vip@example.org mailbox local 1004:1005 /home/bob+vip/Maildir"});
  CHECK(resolve(router, "nobody@example.org") == Strings{nobody});
  CHECK(resolve(router, "\"|/bin/sh\"@example.org") == Strings{nobody});
  CHECK(resolve(router, "\":include:/etc/shadow\"@example.org") == Strings{nobody});
  CHECK(resolve(router, "slow@example.org") == Strings{"451 4.3.0 the user can't be looked up at the moment"});
}

TEST_CASE("each receiver of a drop directory counts, though the place is one") {
  House house;
  auto router = house.router("both: b@drop.test, a@branch.test, b@drop.test\n");
  CHECK(resolve(router, "both@example.org") == Strings{"b@drop.test drop /srv/drop", "a@branch.test drop /srv/drop"});
}

TEST_CASE("virtual users, lists, drops and remote domains go where their route says") {
  House house;
  auto router = house.router();
  CHECK(resolve(router, "Dave@virtual.test") == Strings{"Dave@virtual.test mailbox virtual 2000:2001 /srv/virtual.test/dave"});
  CHECK(resolve(router, "erin+a@virtual.test") == Strings{"erin+a@virtual.test mailbox virtual 500:501 /srv/virtual.test/erin"});
  CHECK(resolve(router, "sales@list.test") == Strings{"sales@list.test program list 500 /bin/deliver sales --from=me@x.test"});
  CHECK(resolve(router, "bob@list.test") == Strings{nobody});
  CHECK(resolve(router, "a@drop.test") == Strings{"a@drop.test drop /srv/drop"});
  CHECK(resolve(router, "a@branch.test") == Strings{"a@branch.test drop /srv/drop"});
  CHECK(resolve(router, "CaseKept@far.test") == Strings{"CaseKept@far.test remote internet"});
  house.config->routes.pop_back();
  auto without = house.router();
  CHECK(resolve(without, "a@far.test") == Strings{"451 4.4.4 no route leads to far.test"});
}

TEST_CASE("a name that may not be part of a path is nobody's, and a missing home waits") {
  House house;
  house.config->routes[0].users.kind = config::UsersKind::none;
  house.config->routes[1].transport = "mailbox";
  auto router = house.router();
  CHECK(resolve(router, "\"../../etc/passwd\"@virtual.test") == Strings{nobody});
  CHECK(resolve(router, "\".hidden\"@virtual.test") == Strings{nobody});
  CHECK(resolve(router, "\"a/b\"@virtual.test") == Strings{nobody});
  CHECK(resolve(router, "any+thing@virtual.test") == Strings{"any+thing@virtual.test mailbox virtual 500:501 /srv/virtual.test/any"});
  CHECK(resolve(router, "sales@list.test") == Strings{"451 4.3.5 {home} is not known for this recipient"});
}

TEST_CASE("aliases lead to their members, each place once") {
  House house;
  auto router = house.router(
      "team: bob, carol, bob, both\nboth: carol, BOB@example.org, x@far.test, X@far.test\nbob2@example.org: bob\nnested: team, team\n"
      "vacation: \\bob, |/bin/vacation bob\narchive: /var/mail/archive\nnull: /dev/null\nhole: :blackhole:\nplus: bob+a\nlog+err: carol\n"
      "sales@virtual.test: carol\n@virtual.test: bob@example.org\nmixed: bob, gone, :fail: no\ndave@virtual.test: \\dave\n");
  CHECK(resolve(router, "team@example.org") == Strings{bobs, carols, "x@far.test remote internet", "X@far.test remote internet"});
  CHECK(resolve(router, "nested@example.org").size() == 4);
  CHECK(resolve(router, "bob2@example.org") == Strings{bobs});
  CHECK(resolve(router, "bob2@drop.test") == Strings{"bob2@drop.test drop /srv/drop"});
  CHECK(resolve(router, "vacation@example.org") == Strings{"vacation@example.org program aliases 65534 /bin/vacation bob", bobs});
  CHECK(resolve(router, "archive@example.org") == Strings{"archive@example.org file 65534 /var/mail/archive"});
  CHECK(resolve(router, "null@example.org") == Strings{"discard"});
  CHECK(resolve(router, "hole@example.org") == Strings{"discard"});
  CHECK(resolve(router, "team+x@example.org").size() == 4);
  CHECK(resolve(router, "log+err@example.org") == Strings{carols});
  CHECK(resolve(router, "log+x@example.org") == Strings{nobody});
  CHECK(resolve(router, "unknown@virtual.test") == Strings{bobs});
  CHECK(resolve(router, "sales@virtual.test") == Strings{carols});
  CHECK(resolve(router, "dave@virtual.test") == Strings{"dave@virtual.test mailbox virtual 2000:2001 /srv/virtual.test/dave"});
  CHECK(resolve(router, "mixed@example.org") == Strings{bobs, "550 5.1.1 no", nobody});
}

TEST_CASE("an alias that leads back means the mailbox, and without one it is a loop") {
  House house;
  auto router = house.router("bob: bob, carol\ncarol: \\carol\nloop: pool\npool: loop\nself: self\nping: pong, bob\npong: ping\ncatch: x\n@list.test: ghost\n");
  CHECK(resolve(router, "bob@example.org") == Strings{bobs, carols});
  CHECK(resolve(router, "carol@example.org") == Strings{carols});
  CHECK(resolve(router, "loop@example.org") == Strings{"550 5.4.6 the aliases of this address form a loop"});
  CHECK(resolve(router, "self@example.org") == Strings{"550 5.4.6 the aliases of this address form a loop"});
  CHECK(resolve(router, "ping@example.org") == Strings{bobs, carols, "550 5.4.6 the aliases of this address form a loop"});
  CHECK(resolve(router, "who@list.test") == Strings{nobody});
}

TEST_CASE("a .forward holds addresses, the user itself and nothing else") {
  House house;
  house.users.add("f1", 2001, "a@far.test\nbob\n");
  house.users.add("f2", 2002, "# keep\n\\f2, a@far.test");
  house.users.add("f3", 2003, "f3, f4");
  house.users.add("f4", 2004, "f3@example.org");
  house.users.add("f5", 2005, "|/bin/sh -c evil");
  house.users.add("f6", 2006, "bob, /etc/passwd");
  house.users.add("f7", 2007, "\n# nothing\n");
  house.users.add("f8", 2008, "not an address!! ");
  auto router = house.router("all: f1, \\f1\n");
  auto box = [](const std::string& name, int uid) { return fmt::format("{}@example.org mailbox local {}:{} /home/{}/Maildir", name, uid, uid + 1, name); };
  CHECK(resolve(router, "f1@example.org") == Strings{"a@far.test remote internet", bobs});
  CHECK(resolve(router, "f2@example.org") == Strings{box("f2", 2002), "a@far.test remote internet"});
  CHECK(resolve(router, "f3@example.org") == Strings{box("f3", 2003)});
  CHECK(resolve(router, "f4@example.org") == Strings{box("f3", 2003), box("f4", 2004)});
  CHECK(resolve(router, "f5@example.org") == Strings{"450 4.2.0 ~/.forward of f5 holds something other than addresses"});
  CHECK(resolve(router, "f6@example.org") == Strings{"450 4.2.0 ~/.forward of f6 holds something other than addresses"});
  CHECK(resolve(router, "f7@example.org") == Strings{box("f7", 2007)});
  CHECK(resolve(router, "f8@example.org") == Strings{"450 4.2.0 ~/.forward of f8 holds something other than addresses"});
  CHECK(resolve(router, "all@example.org") == Strings{box("f1", 2001), "a@far.test remote internet", bobs});
  CHECK(verify(router, "f5@example.org") == "local");
}

TEST_CASE("postmaster ends at the setting, at an alias, or waits, but is never lost in a loop") {
  House house;
  auto router = house.router();
  auto admins = Strings{"admin@example.org mailbox local 1003:1004 /home/admin/Maildir"};
  CHECK(resolve(router, "postmaster@example.org") == admins);
  CHECK(resolve(router, "PostMaster@mail.example.org") == admins);
  CHECK(router.postmaster().text() == "postmaster@example.org");
  auto with_alias = house.router("postmaster: carol\n");
  CHECK(resolve(with_alias, "postmaster@example.org") == Strings{carols});
  house.config->postmaster = "postmaster@example.org";
  auto circle = house.router();
  CHECK(resolve(circle, "postmaster@example.org").size() == 1);
  house.config->postmaster = "bob";
  auto bare = house.router();
  CHECK(resolve(bare, "postmaster@example.org") == Strings{bobs});
}

TEST_CASE("included lists expand, and one that can't be read defers") {
  House house;
  house.tables->includes["/list"] = parse_target_file("bob, carol\n:include:/list\n:include:/more").list;
  house.tables->includes["/more"] = parse_target_file("x@far.test").list;
  auto router = house.router("all: :include:/list\nnone: :include:/missing\n");
  CHECK(resolve(router, "all@example.org") == Strings{bobs, carols, "x@far.test remote internet"});
  CHECK(resolve(router, "none@example.org") == Strings{"451 4.3.0 a list of the alias can't be read at the moment"});
}

TEST_CASE("a tree of aliases however wide or deep ends within its bounds") {
  House house;
  std::string wide = "wide: a0@far.test";
  for (int i = 1; i < 20000; ++i) wide += fmt::format(",a{}@far.test", i);
  std::string deep = "\n";
  for (int i = 0; i < 100; ++i) deep += fmt::format("deep{}: deep{}\n", i, i + 1);
  std::string twice;   // each level twice the last: 2^30 paths, 30 entries
  for (int i = 0; i < 30; ++i) twice += fmt::format("t{}: t{}, t{}@example.net\n", i, i + 1, i + 1);
  twice += "t30: bob\n";
  auto router = house.router(wide + deep + twice);
  CHECK(resolve(router, "wide@example.org") == Strings{"550 5.4.6 the aliases of this address lead to too many mailboxes"});
  CHECK(resolve(router, "deep0@example.org") == Strings{"550 5.4.6 the aliases of this address are nested too deep"});
  CHECK(resolve(router, "t0@example.org") == Strings{bobs});
  CHECK(verify(router, "wide@example.org") == "local");
  std::vector<Target> huge(1000000, parse_target_file("bob").list[0]);
  house.tables->aliases.insert("huge", std::move(huge));
  CHECK(resolve(router, "huge@example.org") == Strings{"550 5.4.6 the aliases of this address lead to too many others"});
}

TEST_CASE("while a table can't be read, no is not believed") {
  House house;
  auto router = house.router();
  house.tables->trouble = "/etc/aliases: Permission denied";
  CHECK(verify(router, "nobody@example.org") == "451 4.3.0 a table can't be read, try again later");
  CHECK(verify(router, "x@far.test") == "451 4.3.0 a table can't be read, try again later");
  CHECK(verify(router, "bob@example.org") == "local");
  CHECK(resolve(router, "nobody@example.org") == Strings{"451 4.3.0 a table can't be read, try again later"});
}

TEST_CASE("a program of an alias knows who wrote to whom, and a user is asked for once a recipient") {
  House house;
  auto router = house.router("run: |/bin/x\nmany: bob, bob@example.net, bob+1, bob+2\n");
  auto resolution = event::run_ready(router.resolve(address("run@example.net"), std::string("me@x.test")));
  REQUIRE(resolution.destinations.size() == 1);
  CHECK(resolution.destinations[0].environment == Strings{"SENDER=me@x.test", "RECIPIENT=run@example.org", "ORIGINAL_RECIPIENT=run@example.net", "LOCAL=run", "DOMAIN=example.org", "DETAIL="});
  house.users.asked = 0;
  CHECK(resolve(router, "many@example.org") == Strings{bobs});
  CHECK(house.users.asked <= 3);
}

TEST_CASE("a route with senders is for their mail alone") {
  House house;
  auto transport = house.config->transports.back();
  for (const char* name : {"news", "bounces"}) {
    transport.name = name;
    house.config->transports.push_back(transport);
  }
  house.add_route("news", {"*"}, "news", config::UsersKind::none);
  house.config->routes.back().senders = {"news@example.org", "*.lists.test"};
  house.add_route("bounces", {"far.test"}, "bounces", config::UsersKind::none);
  house.config->routes.back().senders = {"<>"};
  std::ranges::rotate(house.config->routes, house.config->routes.end() - 2);
  auto router = house.router("out: x@far.test");
  using Lines = std::vector<std::string>;
  CHECK(resolve(router, "x@far.test", "News@example.ORG") == Lines{"x@far.test remote news"});
  CHECK(resolve(router, "x@far.test", "a@b.lists.test") == Lines{"x@far.test remote news"});
  CHECK(resolve(router, "x@far.test", "a@lists.test") == Lines{"x@far.test remote internet"});
  CHECK(resolve(router, "x@far.test", "") == Lines{"x@far.test remote bounces"});
  CHECK(resolve(router, "x@near.test", "") == Lines{"x@near.test remote internet"});
  CHECK(resolve(router, "x@far.test", "nonsense") == Lines{"x@far.test remote internet"});
  CHECK(resolve(router, "out@example.org", "news@example.org") == Lines{"x@far.test remote news"});    // also after an alias
  CHECK(resolve(router, "bob@example.org", "news@example.org") == Lines{"bob@example.org mailbox local 1001:1002 /home/bob/Maildir"});
}

TEST_CASE("a local user whose only route is for other senders is none, at RCPT as at delivery") {
  House house;
  house.add_route("internal", {"inside.test"}, "virtual", config::UsersKind::none);
  house.config->routes.back().senders = {"example.org"};
  std::ranges::rotate(house.config->routes, house.config->routes.end() - 1);
  house.config->domains.local.emplace_back("inside.test");
  auto router = house.router();
  CHECK(verify(router, "x@inside.test", "bob@example.org") == "local");
  CHECK(verify(router, "x@inside.test", "bob@far.test") == "550 5.1.1 no such user here");
  CHECK(verify(router, "x@inside.test", "") == "550 5.1.1 no such user here");
  CHECK(resolve(router, "x@inside.test", "bob@far.test") == std::vector<std::string>{"550 5.1.1 no such user here"});
}

TEST_CASE("mail to elsewhere waits while a list of a route that might be for it can't be read") {
  House house;
  house.add_route("partner", {"partner.test"}, "internet", config::UsersKind::none);
  std::ranges::rotate(house.config->routes, house.config->routes.end() - 1);
  auto router = house.router();
  house.tables->route_unsure[0] = true;
  using Lines = std::vector<std::string>;
  CHECK(resolve(router, "x@far.test") == Lines{"451 4.3.0 the route can't be looked up at the moment"});
  CHECK(resolve(router, "x@partner.test") == Lines{"x@partner.test remote internet"});
  CHECK(resolve(router, "bob@example.org") == Lines{"bob@example.org mailbox local 1001:1002 /home/bob/Maildir"});
}

TEST_CASE("relay_to domains are passed on by their route, else by the one for everybody") {
  House house;
  house.config->domains.relay_to.emplace_back("other.test");
  auto router = house.router("x: bob");
  CHECK(verify(router, "x@other.test") == "relay");
  CHECK(resolve(router, "x@other.test") == std::vector<std::string>{"x@other.test remote internet"});
  CHECK(resolve(router, "x@branch.test") == std::vector<std::string>{"x@branch.test drop /srv/drop"});
}

TEST_CASE("an address literal is elsewhere, but an own address is the main local domain") {
  House house;
  auto router = house.router();
  using Lines = std::vector<std::string>;
  const std::string bob = "bob@example.org mailbox local 1001:1002 /home/bob/Maildir";
  CHECK(verify(router, "x@[198.51.100.1]") == "remote");
  CHECK(resolve(router, "X@[198.51.100.1]") == Lines{"X@[198.51.100.1] remote internet"});
  CHECK(resolve(router, "x@[IPv6:2001:db8::8]") == Lines{"x@[IPv6:2001:db8::8] remote internet"});
  CHECK(verify(router, "bob@[192.0.2.7]") == "local");
  CHECK(verify(router, "nobody@[192.0.2.7]") == "550 5.1.1 no such user here");
  CHECK(verify(router, "postmaster@[127.0.0.1]") == "local");
  CHECK(resolve(router, "bob@[192.0.2.7]") == Lines{bob});
  CHECK(resolve(router, "bob@[IPv6:2001:DB8:0::7]") == Lines{bob});
  CHECK(resolve(router, "bob@[IPv6:::ffff:127.0.0.1]") == Lines{bob});
  CHECK(router.is_local(mail::Domain::parse("[192.0.2.7]").value()));
  CHECK_FALSE(router.is_local(mail::Domain::parse("[192.0.2.8]").value()));
}

TEST_CASE("a literal that domains.local lists is a local domain of its own") {
  House house;
  house.config->domains.local.emplace_back("[192.0.2.7]");
  house.add_route("literal", {"[192.0.2.7]"}, "virtual", config::UsersKind::none);
  std::ranges::rotate(house.config->routes, house.config->routes.end() - 1);
  auto router = house.router();
  CHECK(resolve(router, "any@[192.0.2.7]") == std::vector<std::string>{"any@[192.0.2.7] mailbox literal 500:501 /srv/[192.0.2.7]/any"});
}

TEST_CASE("without a local domain an own literal stays one, and nothing is made up") {
  House house;
  house.config->domains.local = {"virtual.test"};
  auto router = house.router();
  CHECK(verify(router, "bob@[192.0.2.7]") == "remote");
}

TEST_CASE("recipients at one remote domain stay apart, and their local parts keep their case") {
  House house;
  auto router = house.router("two: A@far.test, a@far.test, A@far.test");
  auto resolution = event::run_ready(router.resolve(address("two@example.org"), "me@x.test"));
  REQUIRE(resolution.destinations.size() == 2);
  CHECK(resolution.destinations[0].key() == "remote everywhere A@far.test");
  CHECK(resolution.destinations[1].key() == "remote everywhere a@far.test");
}

}  // namespace mansio::route
