#include <fmt/format.h>

#include "replay/comparison.hpp"
#include "route/house.hpp"

namespace mansio::replay {
namespace {

std::shared_ptr<route::Tables> tables_of(route::House& house, const std::string& aliases) {
  house.router(aliases);
  auto copy = std::make_shared<route::Tables>(*house.tables);
  copy->config = std::make_shared<config::Config>(*house.config);
  copy->clients.relay = config::ClientPolicy(config::ClientList(house.config->relay_from), config::ClientList());
  return copy;
}

Envelope envelope(const std::string& client, const std::string& recipient, const std::string& login = "") {
  Envelope out;
  out.client = client;
  out.login = login;
  out.sender = "me@x.test";
  out.recipients = {recipient};
  return out;
}

// The changes between two houses for one envelope: "refused", "route transport", "".
std::string changes(route::House& before, const std::string& aliases_before, route::House& after, const std::string& aliases_after, const Envelope& one) {
  before.config->relay_from = before.config->relay_from.empty() ? std::vector<std::string>{"192.0.2.0/24"} : before.config->relay_from;
  Judge old_judge(tables_of(before, aliases_before), before.users, route::RouterOptions());
  Judge new_judge(tables_of(after, aliases_after), after.users, route::RouterOptions());
  Comparison comparison(old_judge, new_judge, 5);
  comparison.add(one);
  std::string out;
  for (std::size_t i = 0; i < changes_count; ++i) {
    const Tally& tally = comparison.tallies()[i];
    if (tally.recipients > 0) out += (out.empty() ? "" : " ") + std::string(word_of(static_cast<Change>(i)));
    CHECK(tally.examples.size() == tally.addresses);
  }
  CHECK(comparison.changed() == (out.empty() ? 0 : 1));
  return out;
}

}  // namespace

TEST_CASE("envelopes come from arrivals and from refused recipients") {
  history::LineParser parser;
  auto read = [&](const std::string& text) {
    auto record = parser.parse("2026-11-20 14:03:20 " + text);
    REQUIRE(record);
    return envelope_of(*record);
  };
  auto arrived = read("1abcde-000000-00 <= al@x.test H=mx.x.test [192.0.2.9]:4711 P=esmtpsa A=PLAIN:al S=123 for bob@ex.test carol@ex.test");
  REQUIRE(arrived);
  CHECK(arrived->client == "192.0.2.9");
  CHECK(arrived->login == "al");
  CHECK(arrived->sender == "al@x.test");
  CHECK(arrived->recipients == std::vector<std::string>{"bob@ex.test", "carol@ex.test"});
  auto local = read("1abcde-000000-00 <= <> U=bob P=local S=123 for bob@ex.test");
  REQUIRE(local);
  CHECK((local->client.empty() && local->sender.empty()));
  auto refused = read("H=(c.test) [198.51.100.7]:4711 F=<al@x.test> rejected RCPT <x@far.test>: relay not permitted");
  REQUIRE(refused);
  CHECK(refused->client == "198.51.100.7");
  CHECK(refused->sender == "al@x.test");
  CHECK(refused->recipients == std::vector<std::string>{"x@far.test"});
  CHECK(refused->refused);
  CHECK_FALSE(read("1abcde-000000-00 => bob@ex.test R=local T=mailbox"));
  CHECK_FALSE(read("1abcde-000000-00 Completed"));
}

TEST_CASE("each kind of change between two configurations is found, and nothing where nothing changes") {
  using Edit = std::function<void(route::House&)>;
  struct Row { const char* name; Envelope envelope; const char* old_aliases; const char* new_aliases; Edit edit; const char* want; };
  Edit nothing = [](route::House&) {};
  const std::string inside = "192.0.2.5", outside = "198.51.100.5";
  const Row rows[] = {
      {"the same", envelope(outside, "bob@example.org"), "", "", nothing, ""},
      {"a name that is gone", envelope(outside, "team@example.org"), "team: bob\n", "", nothing, "refused"},
      {"a name that is new", envelope(outside, "team@example.org"), "", "team: bob\n", nothing, "accepted"},
      {"a client that may relay no more", envelope(inside, "x@far.test"), "", "", [](route::House& h) { h.config->relay_from = {"203.0.113.0/24"}; }, "refused"},
      {"a login may relay all the same", envelope(outside, "x@far.test", "al"), "", "", [](route::House& h) { h.config->relay_from = {"203.0.113.0/24"}; }, ""},
      {"programs of this machine too", envelope("", "x@far.test"), "", "", [](route::House& h) { h.config->relay_from = {"203.0.113.0/24"}; }, ""},
      {"refused with other words", envelope(outside, "team@example.org"), "", "team: :fail: gone\n", nothing, ""},
      {"refused for now", envelope(outside, "team@example.org"), "", "team: :defer: soon\n", nothing, "answer"},
      {"other members", envelope(outside, "team@example.org"), "team: bob\n", "team: bob, carol\n", nothing, "recipients"},
      {"a member that is gone", envelope(outside, "team@example.org"), "team: bob, carol\n", "team: bob, carol\ncarol: :fail: gone\n", nothing, "recipients"},
      {"another path", envelope(outside, "bob@example.org"), "", "", [](route::House& h) { h.config->transports[0].path = "~/mail"; }, "place"},
      {"another transport with the same way", envelope(inside, "x@far.test"), "", "",
       [](route::House& h) { h.config->transports.back().name = "world"; h.config->routes.back().transport = "world"; }, "transport"},
      {"a smart host", envelope(inside, "x@far.test"), "", "", [](route::House& h) { h.config->transports.back().hosts = {"smart.test:587"}; }, "hosts"},
      {"another route", envelope(inside, "x@far.test"), "", "", [](route::House& h) { h.config->routes.back().name = "all"; }, "route"},
      {"another user", envelope(outside, "bob@example.org"), "", "", [](route::House& h) { h.users.users["bob"].uid = 7; h.users.users["bob"].name = "robert"; }, "user"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    route::House before, after;
    before.config->relay_from = after.config->relay_from = {"192.0.2.0/24"};
    row.edit(after);
    CHECK(changes(before, row.old_aliases, after, row.new_aliases, row.envelope) == row.want);
  }
}

TEST_CASE("equal questions are counted each time, asked once, and shown as often as wanted") {
  route::House before, after;
  Judge old_judge(tables_of(before, ""), before.users, route::RouterOptions());
  Judge new_judge(tables_of(after, "bob: :fail: gone\n"), after.users, route::RouterOptions());
  Comparison comparison(old_judge, new_judge, 2);
  for (int i = 0; i < 100; ++i) comparison.add(envelope("198.51.100.5", "bob@example.org"));
  int asked = before.users.asked;
  for (int i = 0; i < 5; ++i) comparison.add(envelope("198.51.100.5", fmt::format("bob+{}@example.org", i)));
  CHECK(asked <= 2);
  CHECK(comparison.envelopes() == 105);
  CHECK(comparison.changed() == 105);
  const Tally& refused = comparison.tallies()[static_cast<std::size_t>(Change::refused)];
  CHECK(refused.recipients == 105);
  CHECK(refused.addresses == 6);
  REQUIRE(refused.examples.size() == 2);
  CHECK(refused.examples[0].before == "bob@example.org by local/mailbox /home/bob/Maildir as bob");
  CHECK(refused.examples[0].after == "550 5.1.1 gone");
}

}  // namespace mansio::replay
