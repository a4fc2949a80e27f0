#include "control/selection.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace mansio::control {
namespace {

using Json = nlohmann::json;

const Time noon = Time(std::chrono::seconds(1'800'000'000));

// From alice@ex.test, 2 h old, 5000 octets, tried once, to bob (done) at one.test and Carol (waits) at Two.Test.
std::shared_ptr<spool::Message> letter() {
  mail::Envelope envelope;
  envelope.sender = *mail::Address::parse("Alice@ex.test");
  envelope.recipients.emplace_back(*mail::Address::parse("bob@one.test"));
  envelope.recipients.emplace_back(*mail::Address::parse("Carol@Two.Test"));
  envelope.received = noon - std::chrono::hours(2);
  auto message = std::make_shared<spool::Message>(std::move(envelope));
  message->id = *spool::QueueId::parse("1xoTWy-000009-Ab");
  message->id.seconds = static_cast<std::uint32_t>(1'800'000'000 - 7200);
  message->content.length = 5000;
  message->progress.attempts = 1;
  message->progress.recipients[0].state = spool::RecipientState::delivered;
  return message;
}

bool meant(const spool::Message& message, const Json& filter) {
  auto selection = Selection::parse(filter);
  REQUIRE(selection.has_value());
  return selection->may_match(message.id, noon) && selection->matches(message, noon);
}

}  // namespace

TEST_CASE("a glob matches the whole text, and case counts only where it is asked for") {
  struct Row {
    const char *pattern, *text;
    bool fits, fits_exactly;
  };
  for (auto [pattern, text, fits, exactly] : {
           Row{"", "", true, true}, {"", "x", false, false}, {"*", "", true, true}, {"*", "anything@all", true, true},
           {"bob@ex.test", "BOB@ex.test", true, false}, {"bob@*", "bob@ex.test", true, true}, {"*@ex.test", "bob@ex.test", true, true},
           {"*@ex.test", "bob@ex.test.org", false, false}, {"b?b", "bob", true, true}, {"b?b", "bb", false, false}, {"?", "", false, false},
           {"*a*b*c*", "xxaxxbxxcxx", true, true}, {"*a*b*c*", "xxcxxbxxaxx", false, false}, {"a**", "a", true, true}, {"***", "x", true, true},
           {"a*a", "a", false, false}, {"[x]", "x", false, false}, {"\\*", "*", false, false}, {"*.TEST", "a.test", true, false}}) {
    INFO(pattern << " on " << text);
    CHECK(matches_glob(pattern, text) == fits);
    CHECK(matches_glob(pattern, text, true) == exactly);
  }
}

TEST_CASE("a glob of many stars on a long text is quick") {
  std::string pattern, text(100'000, 'a');
  for (int i = 0; i < 100; ++i) pattern += "*a";
  CHECK_FALSE(matches_glob(pattern + "b", text));
}

TEST_CASE("conditions on a message") {
  auto message = letter();
  const std::string id = message->id.text();
  struct Row {
    Json filter;
    bool meant;
  };
  for (const auto& [filter, expected] : {
           Row{Json(nullptr), true}, Row{Json::object(), true},
           Row{{{"senders", {"alice@EX.test"}}}, true}, Row{{{"senders", {"alice"}}}, false}, Row{{{"senders", {"x@y", "al*"}}}, true},
           Row{{{"senders", {"<>"}}}, false}, Row{{{"senders", {"*@ex.test"}}}, true},
           Row{{{"recipients", {"carol@two.test"}}}, true}, Row{{{"recipients", {"bob@one.test"}}}, false},       // he has it
           Row{{{"domains", {"two.test"}}}, true}, Row{{{"domains", {"TWO.test."}}}, true}, Row{{{"domains", {"one.test"}}}, false},
           Row{{{"domains", {"*.test"}}}, true}, Row{{{"domains", {"*.two.test"}}}, false},
           Row{{{"recipients", {"carol@*"}}, {"domains", {"one.test"}}}, false},                                 // of one and the same
           Row{{{"older", 7200}}, true}, Row{{{"older", 7201}}, false}, Row{{{"newer", 7201}}, true}, Row{{{"newer", 7200}}, false},
           Row{{{"larger", 5000}}, true}, Row{{{"larger", 5001}}, false}, Row{{{"smaller", 5001}}, true}, Row{{{"smaller", 5000}}, false},
           Row{{{"frozen", false}}, true}, Row{{{"frozen", true}}, false}, Row{{{"tried", true}}, true}, Row{{{"tried", false}}, false},
           Row{{{"transports", {"*"}}}, false},
           Row{{{"ids", {id}}}, true}, Row{{{"ids", {"nothing", id.substr(0, 8) + "*"}}}, true}, Row{{{"ids", {id.substr(1)}}}, false},
           Row{{{"ids", {"*-AB"}}}, false}, Row{{{"ids", {"*-Ab"}}}, true},
           Row{{{"senders", {"alice@*"}}, {"older", 60}, {"frozen", false}, {"larger", 1}}, true},
           Row{{{"senders", {"alice@*"}}, {"older", 60}, {"frozen", true}, {"larger", 1}}, false}}) {
    INFO(filter.dump());
    CHECK(meant(*message, filter) == expected);
  }
  message->envelope.sender.reset();
  CHECK(meant(*message, {{"senders", {"<>"}}}));
  CHECK(meant(*message, {{"senders", {""}}}));
  CHECK_FALSE(meant(*message, {{"senders", {"?*"}}}));
  message->progress.transport = "Backup";
  CHECK(meant(*message, {{"transports", {"backup"}}}));
  CHECK(meant(*message, {{"transports", {"*"}}}));
}

TEST_CASE("a domain that is written with its own letters is found") {
  auto message = letter();
  message->envelope.recipients.emplace_back(*mail::Address::parse("x@xn--bcher-kva.test"));
  message->progress.recipients.emplace_back();
  CHECK(meant(*message, {{"domains", {"Bücher.test"}}}));
}

TEST_CASE("a destination is named by its lane, its hosts or its domain") {
  struct Row {
    const char *pattern, *name;
    bool fits;
  };
  for (auto [pattern, name, fits] : {
           Row{"local", "local", true}, {"loc*", "local", true}, {"several", "local", false},
           {"dead.test", "domain dead.test", true}, {"domain dead.test", "domain dead.test", true}, {"dead.test", "domain dead.test by backup", true},
           {"*.test", "domain dead.test", true}, {"ead.test", "domain dead.test", false},
           {"MX1.dead.test", "internet mx1.dead.test:25,mx2.dead.test:25", true}, {"mx2.dead.test", "internet mx1.dead.test:25,mx2.dead.test:25", true},
           {"mx2.dead.test:25", "internet mx1.dead.test:25,mx2.dead.test:25", true}, {"mx2.dead.test:26", "internet mx2.dead.test:25", false},
           {"192.0.2.1", "internet [192.0.2.1]:25", true}, {"[192.0.2.1]", "internet [192.0.2.1]:25", true},
           {"2001:db8::1", "internet [2001:db8::1]:25", true}, {"internet *", "internet mx1.dead.test:25", true}, {"mx", "internet mx1.dead.test:25", false}}) {
    INFO(pattern << " on " << name);
    auto selection = Selection::parse({{"destinations", {pattern}}});
    REQUIRE(selection.has_value());
    CHECK(selection->matches_destination(name) == fits);
  }
  CHECK(Selection().matches_destination("anything"));
}

TEST_CASE("ids without globs say exactly which messages are meant") {
  auto ids = [](Json list) { return Selection::parse({{"ids", std::move(list)}})->exact_ids(); };
  CHECK_FALSE(Selection().exact_ids());
  CHECK_FALSE(ids({"1xoTWy-000009-Ab", "1xoTWy-*"}));
  auto exact = ids({"1xoTWz-000009-Ab", "1xoTWy-000009-Ab", "no id", "1xoTWz-000009-Ab"});
  REQUIRE(exact);
  REQUIRE(exact->size() == 2);
  CHECK((*exact)[0].text() == "1xoTWz-000009-Ab");
  CHECK((*exact)[1].text() == "1xoTWy-000009-Ab");
}

TEST_CASE("a filter that makes no sense is an error") {
  for (const Json& filter : {Json("text"), Json{{"unknown", 1}}, Json{{"senders", "alice"}}, Json{{"senders", {1}}}, Json{{"older", -1}}, Json{{"older", "2h"}},
                             Json{{"older", 1e30}}, Json{{"older", 9'000'000'001}}, Json{{"frozen", 1}}, Json{{"tried", "yes"}},
                             Json{{"ids", {std::string(1001, 'x')}}}, Json{{"larger", 0.5}}}) {
    INFO(filter.dump());
    CHECK_FALSE(Selection::parse(filter).has_value());
  }
}

}  // namespace mansio::control
