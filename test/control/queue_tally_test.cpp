#include "control/queue_tally.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace mansio::control {
namespace {

using State = queue::Queue::Standing::State;

const Time now = Time(std::chrono::seconds(1'800'000'000));

QueueWalk::Found waiting(const char* sender, std::vector<const char*> recipients, int minutes, const char* destination, State state) {
  mail::Envelope envelope;
  if (*sender != '\0') envelope.sender = *mail::Address::parse(sender);
  for (const char* address : recipients) envelope.recipients.emplace_back(*mail::Address::parse(address));
  envelope.received = now - std::chrono::minutes(minutes);
  auto message = std::make_shared<spool::Message>(std::move(envelope));
  message->content.length = 1000;
  QueueWalk::Found found(std::move(message));
  found.standing.destination = destination;
  found.standing.state = state;
  if (state == State::closed) {
    found.standing.closed_until = now + std::chrono::minutes(3);
    found.standing.why = "it is dead";
  }
  return found;
}

nlohmann::json row(const QueueTally& tally, const std::string& name) {
  for (const auto& object : tally.objects()) {
    if (object.value("name", name == "total" && object.contains("total") ? name : "") == name) return object;
  }
  return {};
}

}  // namespace

TEST_CASE("messages are counted by destination, age and state, and the largest row comes first") {
  QueueTally tally(QueueTally::By::destination);
  tally.add(waiting("a@x.test", {"b@two.test"}, 3, "domain two.test", State::waiting), now);
  tally.add(waiting("a@x.test", {"b@one.test"}, 4, "domain one.test", State::due), now);
  tally.add(waiting("a@x.test", {"b@one.test"}, 5, "domain one.test", State::closed), now);
  QueueTally other(QueueTally::By::destination);
  other.add(waiting("a@x.test", {"b@one.test"}, 1279, "domain one.test", State::frozen), now);
  other.add(waiting("a@x.test", {"b@one.test"}, 1280, "domain one.test", State::trying), now);
  tally.add(other);
  auto objects = tally.objects();
  REQUIRE(objects.size() == 3);
  CHECK(objects[0]["name"] == "domain one.test");
  CHECK(objects[0]["messages"] == 4);
  CHECK(objects[0]["bytes"] == 4000);
  CHECK(objects[0]["ages"] == nlohmann::json({1, 1, 0, 0, 0, 0, 0, 0, 1, 1}));
  CHECK(objects[0]["due"] == 1);
  CHECK(objects[0]["closed"] == 1);
  CHECK(objects[0]["frozen"] == 1);
  CHECK(objects[0]["trying"] == 1);
  CHECK(objects[0]["waiting"] == 0);
  CHECK(objects[0]["closed_until"] == 1'800'000'180);
  CHECK(objects[0]["closed_why"] == "it is dead");
  CHECK(objects[1]["name"] == "domain two.test");
  CHECK_FALSE(objects[1].contains("closed_until"));
  CHECK(objects[2]["total"] == true);
  CHECK(objects[2]["messages"] == 5);
}

TEST_CASE("a message for several domains counts once for each, and once in all") {
  QueueTally tally(QueueTally::By::recipient_domain);
  auto found = waiting("", {"a@one.test", "b@ONE.test", "c@two.test", "d@done.test"}, 1, "several", State::waiting);
  found.message->progress.recipients[3].state = spool::RecipientState::delivered;
  tally.add(found, now);
  CHECK(row(tally, "one.test")["messages"] == 1);
  CHECK(row(tally, "two.test")["messages"] == 1);
  CHECK(row(tally, "done.test").is_null());
  CHECK(tally.objects().back()["messages"] == 1);
  QueueTally senders(QueueTally::By::sender_domain);
  senders.add(found, now);
  senders.add(waiting("a@X.test", {"b@one.test"}, 1, "several", State::closed), now);
  CHECK(row(senders, "<>")["messages"] == 1);
  CHECK(row(senders, "x.test")["messages"] == 1);
  CHECK_FALSE(row(senders, "x.test").contains("closed_until"));
}

TEST_CASE("the rows of another process are added as they were told") {
  QueueTally first(QueueTally::By::destination), second(QueueTally::By::destination), both(QueueTally::By::destination), told(QueueTally::By::destination);
  auto here = waiting("a@x.test", {"b@one.test"}, 1, "domain one.test", State::waiting);
  auto there = waiting("a@x.test", {"b@one.test"}, 500, "domain one.test", State::closed);
  first.add(here, now);
  second.add(there, now);
  both.add(here, now);
  both.add(there, now);
  for (const auto* each : {&first, &second}) {
    for (const auto& object : each->objects()) told.add(object);
  }
  CHECK(told.objects() == both.objects());
  told.add(nlohmann::json("no object"));
  told.add(nlohmann::json::parse(R"({"name":5,"messages":"many"})"));
  CHECK(told.objects() == both.objects());
}

TEST_CASE("what a summary goes by") {
  CHECK(QueueTally::parse_by("") == QueueTally::By::destination);
  CHECK(QueueTally::parse_by("sender-domain") == QueueTally::By::sender_domain);
  CHECK(QueueTally::parse_by("recipient-domain") == QueueTally::By::recipient_domain);
  CHECK_FALSE(QueueTally::parse_by("size"));
}

TEST_CASE("a message is described for a listing") {
  auto found = waiting("a@x.test", {"b@one.test", "c@two.test"}, 2, "domain one.test", State::closed);
  found.message->id = *spool::QueueId::parse("1xoTWy-000009-Ab");
  found.message->progress.attempts = 3;
  found.message->progress.transport = "backup";
  found.message->progress.recipients[0].state = spool::RecipientState::delivered;
  auto object = describe(found, now);
  describe_standing(found, object);
  CHECK(object["id"] == "1xoTWy-000009-Ab");
  CHECK(object["age_seconds"] == 120);
  CHECK(object["reason"] == "it is dead");
  CHECK(object["recipients"][0]["done"] == true);
  CHECK(object["state"] == "closed");
  CHECK(object["transport"] == "backup");
  CHECK(object["closed_until"] == 1'800'000'180);
  found.standing.state = State::due;
  found.standing.closed_until = Time();
  found.standing.why = "paused";
  describe_standing(found, object);
  CHECK(object["state"] == "paused");
  found.message->progress.recipients[1].last = Status(450, 4, 2, "later\xff");
  found.message->progress.recipients[1].host = "mx.two.test";
  object = describe(found, now);
  CHECK(object["reason"] == "mx.two.test said: 450 4.4.2 later\xff");
  CHECK(line_of(object).find("later\xef\xbf\xbd") != std::string::npos);
}

}  // namespace mansio::control
