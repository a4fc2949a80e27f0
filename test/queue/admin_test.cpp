// What an admin's order makes of a message in memory.
#include "queue/admin.hpp"

#include <catch2/catch.hpp>

#include "queue/lanes.hpp"

namespace mansio::queue {
namespace {

spool::Message for_bob() {
  mail::Envelope envelope;
  envelope.recipients.emplace_back(*mail::Address::parse("bob@far.test"));
  return spool::Message(std::move(envelope));
}

Order reroute_to(const char* transport) {
  Order order;
  order.verb = "reroute";
  order.by = "root";
  order.transport = transport;
  return order;
}

}  // namespace

TEST_CASE("a message is rerouted, tried soon, and goes as the routes say again") {
  auto message = for_bob();
  Change change = change_message(message, reroute_to("backup"));
  CHECK(change.done);
  CHECK(change.keep == Change::Keep::progress);
  CHECK(change.then == Change::Then::try_soon);
  CHECK(change.text == "goes by backup from now on");
  CHECK(change.log == std::vector<std::string>{"rerouted to backup by root"});
  CHECK(message.progress.transport == "backup");
  change = change_message(message, reroute_to("backup"));
  CHECK_FALSE(change.done);
  CHECK(change.keep == Change::Keep::nothing);
  CHECK(change.text == "goes by backup already");
  change = change_message(message, reroute_to(""));
  CHECK(change.done);
  CHECK(change.log == std::vector<std::string>{"rerouted as the routes say by root"});
  CHECK(message.progress.transport.empty());
  CHECK_FALSE(change_message(message, reroute_to("")).done);
}

TEST_CASE("a frozen message stays frozen when it is rerouted") {
  auto message = for_bob();
  message.progress.frozen = true;
  Change change = change_message(message, reroute_to("backup"));
  CHECK(change.done);
  CHECK(change.then == Change::Then::as_planned);
  CHECK(message.progress.frozen);
}

TEST_CASE("many entries are taken out of their lanes at once, and a lane says its name and until when it is closed") {
  Lanes lanes;
  std::unordered_set<spool::QueueId> some;
  for (std::uint32_t i = 0; i < 100; ++i) {
    LaneEntry entry;
    entry.id.seconds = i;
    entry.forced = i % 10 == 0;
    lanes.push(lane_key(i % 2 == 0 ? "even" : "odd"), i % 2 == 0 ? "even" : "odd", LaneOptions(), entry);
    if (i % 3 == 0 || i % 2 == 1) some.insert(entry.id);
  }
  lanes.remove(some);
  CHECK(lanes.size() == 100 - some.size());
  std::size_t taken = 0;
  while (auto started = lanes.take(Time())) {
    CHECK_FALSE(some.contains(started->entry.id));
    CHECK(started->lane == lane_key("even"));
    ++taken;
    lanes.end(*started);
  }
  CHECK(taken == 100 - some.size());
  LaneEntry entry;
  lanes.push(lane_key("domain a.test"), "domain a.test", LaneOptions(), entry);
  CHECK(lanes.name_of(lane_key("domain a.test")) == "domain a.test");
  CHECK(lanes.name_of(lane_key("odd")).empty());
  CHECK(lanes.closed_until(lane_key("domain a.test")) == Time());
  Lanes::Site site;
  site.key = lane_key("internet mx.a.test:25");
  site.name = "internet mx.a.test:25";
  site.closed_until = Time(std::chrono::seconds(1000));
  lanes.restore(site);
  lanes.redirect(lane_key("domain a.test"), site.key);
  CHECK(lanes.name_of(lane_key("domain a.test")) == site.name);
  CHECK(lanes.closed_until(lane_key("domain a.test")) == site.closed_until);
}

}  // namespace mansio::queue
