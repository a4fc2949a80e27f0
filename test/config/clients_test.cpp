#include "config/clients.hpp"

#include <catch2/catch.hpp>

using namespace mansio;
using namespace mansio::config;

namespace {

using State = ClientName::State;

ClientName known_as(std::vector<std::string> names, State state = State::known) {
  ClientName out(state);
  out.names = std::move(names);
  return out;
}

}  // namespace

TEST_CASE("an entry of a client list is an address, a network, a name, or everybody") {
  struct Row {
    std::string entry, canonical;
  };
  for (const auto& row : std::vector<Row>{
           {"*", "*"}, {"192.0.2.1", "192.0.2.1"}, {"192.0.2.0/24", "192.0.2.0/24"}, {"2001:db8::/32", "2001:db8::/32"}, {"::1", "::1"}, {"0.0.0.0/0", "0.0.0.0/0"},
           {"Mail.Example.ORG", "mail.example.org"}, {"mail.example.org.", "mail.example.org"}, {"*.Example.org", "*.example.org"}, {"bücher.example", "xn--bcher-kva.example"},
           {"localhost", "localhost"}, {"1.example", "1.example"}, {"face.example", "face.example"}}) {
    INFO(row.entry);
    auto got = canonical_client(row.entry);
    REQUIRE(got);
    CHECK(*got == row.canonical);
  }
}

TEST_CASE("what is no entry of a client list is told, with what would be one") {
  struct Row {
    std::string entry, problem;
  };
  for (const auto& row : std::vector<Row>{
           {"", "it is empty: write an address, a network, a name, or \"*\" for everybody"},
           {"192.0.2.300", "\"192.0.2.300\" is no IPv4 or IPv6 address"},
           {"192.0.2", "\"192.0.2\" is no IPv4 or IPv6 address"},
           {"１９２.0.2.1", "\"１９２.0.2.1\" is no name: write an address with ASCII digits"},
           {"192.0.2.1/24", "\"192.0.2.1/24\" has bits after its prefix: did you mean \"192.0.2.0/24\"?"},
           {"192.0.2.0/33", "\"192.0.2.0/33\": the part after the / must be a number from 0 to 32"},
           {"mail.example.org/24", "\"mail.example.org\" is no IPv4 or IPv6 address"},
           {".example.org", "\".example.org\" is no name: for all below it write \"*.example.org\""},
           {"[192.0.2.1]", "\"[192.0.2.1]\" is no client: write \"192.0.2.1\", \"192.0.2.0/24\", \"2001:db8::/32\", \"mail.example.org\" or \"*.example.org\""},
           {"user@example.org", "\"user@example.org\" is no client: write \"192.0.2.1\", \"192.0.2.0/24\", \"2001:db8::/32\", \"mail.example.org\" or \"*.example.org\""},
           {"mail.*.org", "\"mail.*.org\" is no domain: \"*\" is no label"}, {"a..b", "\"a..b\" is no domain: \"\" is no label"}}) {
    INFO(row.entry);
    auto got = canonical_client(row.entry);
    REQUIRE_FALSE(got);
    CHECK(got.error().text() == row.problem);
  }
}

TEST_CASE("a client is in a list by its address, or by a name that is confirmed") {
  ClientList list({"192.0.2.0/28", "2001:db8::1", "mail.example.org", "*.friends.example", "file:/look-up"});
  CHECK(list.has_names());
  CHECK_FALSE(list.everybody());
  struct Row {
    std::string address;
    ClientName name;
    Match match;
  };
  for (const auto& row : std::vector<Row>{
           {"192.0.2.7", ClientName(), Match::yes}, {"::ffff:192.0.2.7", ClientName(), Match::yes}, {"2001:db8::1", ClientName(State::unsure), Match::yes},
           {"192.0.2.16", known_as({}), Match::no}, {"192.0.2.16", known_as({"mail.example.org"}), Match::yes}, {"192.0.2.16", known_as({"MAIL.example.org"}), Match::yes},
           {"192.0.2.16", known_as({"other.example", "a.b.friends.example"}), Match::yes}, {"192.0.2.16", known_as({"friends.example"}), Match::no},
           {"192.0.2.16", known_as({"notfriends.example"}), Match::no}, {"192.0.2.16", ClientName(), Match::unsure}, {"192.0.2.16", ClientName(State::unsure), Match::unsure},
           {"192.0.2.16", known_as({"mail.example.org"}, State::unsure), Match::yes}, {"", known_as({}), Match::no}}) {
    INFO(row.address << " " << row.name.name());
    CHECK(list.match(row.address, row.name) == row.match);
  }
  CHECK(list.needs_name("192.0.2.16"));
  CHECK_FALSE(list.needs_name("192.0.2.7"));
}

TEST_CASE("everybody is everybody, and the empty list is nobody") {
  CHECK(ClientList({"*"}).match("203.0.113.1", ClientName()) == Match::yes);
  CHECK(ClientList({"*"}).match("", ClientName()) == Match::yes);
  CHECK_FALSE(ClientList({"*", "a.example"}).needs_name("203.0.113.1"));
  CHECK(ClientList().match("203.0.113.1", ClientName()) == Match::no);
  CHECK(ClientList({"192.0.2.1"}).match("203.0.113.1", ClientName()) == Match::no);
  CHECK_FALSE(ClientList({"192.0.2.1"}).matches_name("192.0.2.1"));
}

TEST_CASE("a list that could not be read whole is unsure of who isn't in it") {
  ClientList list({"192.0.2.1"}, true);
  CHECK(list.match("192.0.2.1", ClientName()) == Match::yes);
  CHECK(list.match("192.0.2.2", known_as({})) == Match::unsure);
}

TEST_CASE("deny is stronger than allow, and doubt is no answer") {
  struct Row {
    std::vector<std::string> allow, deny;
    ClientName name;
    Match match;
  };
  const ClientName unsure(State::unsure), nameless(State::known);
  const ClientName alice = known_as({"alice.example"});
  for (const auto& row : std::vector<Row>{
           {{"*"}, {}, nameless, Match::yes}, {{"*"}, {"192.0.2.0/24"}, nameless, Match::no}, {{"192.0.2.9"}, {"192.0.2.0/24"}, nameless, Match::no},
           {{"192.0.2.0/24"}, {"192.0.2.1"}, nameless, Match::yes}, {{}, {}, nameless, Match::no}, {{"*"}, {"alice.example"}, alice, Match::no},
           {{"*"}, {"alice.example"}, nameless, Match::yes}, {{"*"}, {"alice.example"}, unsure, Match::unsure}, {{"alice.example"}, {}, unsure, Match::unsure},
           {{"alice.example"}, {}, alice, Match::yes}, {{"alice.example"}, {"192.0.2.9"}, unsure, Match::no},        // denied by address: no doubt
           {{"198.51.100.1"}, {"alice.example"}, unsure, Match::no},                                                  // not allowed, whatever its name
           {{"alice.example"}, {"*.example"}, alice, Match::no}}) {
    CHECK(ClientPolicy(ClientList(row.allow), ClientList(row.deny)).match("192.0.2.9", row.name) == row.match);
  }
}
