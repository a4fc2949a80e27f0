// The object that `status` gives, and what it finds that needs an admin.
#include "control/status.hpp"

#include <catch2/catch.hpp>

#include <ctime>

namespace mansio::control {
namespace {

const Time status_noon{std::chrono::seconds(1'700'000'000)};

struct World {
  World() {
    facts.started = status_noon - std::chrono::hours(1);
    Disk disk;
    disk.what = "spool";
    disk.directory = "/spool";
    disk.known = true;
    disk.free = 500u << 20;
    disk.total = 1000u << 20;
    disk.reserve = 64u << 20;
    machine.disks.push_back(disk);
  }
  nlohmann::json status() const { return status_object(facts, machine, numbers, status_noon); }
  std::vector<std::string> attention() const { return status()["attention"].get<std::vector<std::string>>(); }
  Facts facts;
  Machine machine;
  StatusNumbers numbers;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("A healthy daemon needs nobody's attention") {
  World world;
  CHECK(world.attention().empty());
  CHECK(world.status()["uptime_seconds"] == 3600);
  CHECK(world.status()["started"] == 1'700'000'000 - 3600);
}

TEST_CASE("Each thing that is wrong is told in a line of its own") {
  World full;
  full.machine.disks[0].free = 10u << 20;
  CHECK(full.attention() == Texts{"/spool has less room than the reserve: 10 of 1000 MiB are free"});
  World gone;
  gone.machine.disks[0].known = false;
  CHECK(gone.attention() == Texts{"the file system of /spool can't be looked at"});
  World files;
  files.machine.disks[0].files = 100'000;
  files.machine.disks[0].files_free = 3;
  CHECK(files.attention() == Texts{"the file system of /spool has no room for more files"});
  World closed;
  closed.facts.missing = {"listeners[1]"};
  closed.numbers.spool_trouble = "the disk is full";
  CHECK(closed.attention() == Texts{"no mail is taken: the disk is full", "listeners[1] is not open"});
  World paused;
  queue::Pause pause;
  pause.what = queue::Pause::What::outbound;
  pause.by = "root";
  pause.reason = "moving";
  paused.numbers.pauses = {pause};
  CHECK(paused.attention() == Texts{"paused: outbound (by root: moving)"});
  CHECK(paused.status()["pauses"][0]["what"] == "outbound");
}

TEST_CASE("A certificate is told of in its last two weeks") {
  struct Row {
    std::chrono::hours left;
    std::string text;
  };
  using std::chrono::hours;
  const Row rows[] = {{hours(24 * 14), ""}, {hours(24 * 14 - 1), "certificate a.crt has 13 days left"}, {hours(25), "certificate a.crt has 1 day left"},
                      {hours(0), "certificate a.crt has expired"}, {hours(-48), "certificate a.crt has expired"}};
  for (const Row& row : rows) {
    World world;
    Facts::Certificate& one = world.facts.certificates.emplace_back();
    one.file = "a.crt";
    one.expires = status_noon + row.left;
    CHECK(world.attention() == (row.text.empty() ? Texts() : Texts{row.text}));
  }
}

TEST_CASE("The panic log's last line is news for a day") {
  auto line_of_time = [](Time time) {
    std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm fields{};
    ::localtime_r(&seconds, &fields);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &fields);
    return std::string(text) + " it broke";
  };
  World fresh, old, odd;
  fresh.machine.panic = line_of_time(status_noon - std::chrono::hours(23));
  old.machine.panic = line_of_time(status_noon - std::chrono::hours(25));
  odd.machine.panic = "no time here";
  CHECK(fresh.attention().size() == 1);
  CHECK(fresh.status()["last_panic"]["time"] == 1'700'000'000 - 23 * 3600);
  CHECK(old.attention().empty());
  CHECK(odd.attention().empty());
  CHECK(odd.status()["last_panic"] == nlohmann::json{{"text", "no time here"}});
}

TEST_CASE("The last line of a tail that begins anywhere") {
  CHECK(last_line("").empty());
  CHECK(last_line("\n\n").empty());
  CHECK(last_line("half a line\nwhole\n") == "whole");
  CHECK(last_line("half a line\nwhole\nnot ended") == "not ended");
  CHECK(last_line("one\r\n") == "one");
}

TEST_CASE("The ten destinations with most mail are told, the paused and the closed ones with their state") {
  World world;
  for (int i = 0; i < 20; ++i) {
    queue::Lanes::Site site;
    site.name = "domain d" + std::to_string(i);
    site.ready = static_cast<std::size_t>(i);
    site.held = i == 19;
    if (i == 18) {
      site.closed_until = status_noon + std::chrono::seconds(60);
      site.outage_since = status_noon - std::chrono::seconds(600);
      site.why = Status(451, 4, 1, "refused");
    }
    world.numbers.destinations.push_back(site);
  }
  auto told = world.status()["destinations"];
  REQUIRE(told.size() == 10);
  CHECK(told[0]["name"] == "domain d19");
  CHECK(told[0]["paused"] == true);
  CHECK(told[1]["closed_until"] == 1'700'000'060);
  CHECK(told[1]["closed_since"] == 1'700'000'000 - 600);
  CHECK(told[1]["reason"].get<std::string>().find("refused") != std::string::npos);
  CHECK(told[9]["messages"] == 10);
}

TEST_CASE("A line's time is one that there can be") {
  CHECK(line_time("2026-11-20 14:03:20 x").has_value());
  CHECK_FALSE(line_time("4162-11-20 14:03:20 x").has_value());
  CHECK_FALSE(line_time("1066-10-14 09:00:00 x").has_value());
  CHECK_FALSE(line_time("  indented").has_value());
}

TEST_CASE("A listener is named as a pause names it") {
  Facts::Listener one;
  one.address = "192.0.2.1";
  one.port = 25;
  CHECK(one.name() == "192.0.2.1:25");
  one.address = "::1";
  CHECK(one.name() == "[::1]:25");
  one.address = "unix:/run/lmtp";
  one.port = 0;
  CHECK(one.name() == "unix:/run/lmtp");
}

}  // namespace mansio::control
