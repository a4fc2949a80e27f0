#include <random>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "log/samples.hpp"
#include "report/html_charts.hpp"
#include "report/report.hpp"
#include "report/wording.hpp"

using namespace mansio;
using namespace mansio::report;

namespace {

const Time noon = Time(std::chrono::seconds(1'763'640'000));      // 2025-11-20 12:00 UTC

struct Utc {
  Utc() { set("UTC"); }
  ~Utc() { ::unsetenv("TZ"), ::tzset(); }
  static void set(const char* zone) { ::setenv("TZ", zone, 1), ::tzset(); }
};

Report of_samples() {
  Statistics statistics;
  int minute = 0;
  for (const log::test::Sample& sample : log::test::samples()) statistics.add({noon + std::chrono::minutes(7 * minute++), sample.event});
  return statistics.finish({}, {}, 66, 10);
}

// Rows as "group|name count bytes".
std::string rows(const std::vector<Top>& tops) {
  std::string out;
  for (const Top& top : tops) out += fmt::format("{}{}{} {} {};", top.group, top.group.empty() ? "" : "|", top.name, top.count, top.bytes);
  return out;
}

}  // namespace

TEST_CASE("events are counted into totals, hours and lists") {
  Utc utc;
  Report report = of_samples();
  CHECK(report.total.received == 4);
  CHECK(report.total.bytes == 3559);
  CHECK(report.recipients == 3);
  CHECK(report.total.delivered == 3);
  CHECK((report.delivered_local == 2 && report.delivered_remote == 1 && report.delivered_bytes == 2630));
  CHECK((report.total.deferred == 1 && report.total.failed == 1 && report.bounces == 1 && report.completed == 3));
  CHECK((report.total.rejected == 7 && report.rejected_for_now == 1 && report.login_failures == 1 && report.logged_in == 1));
  CHECK(report.step == std::chrono::hours(1));
  REQUIRE(report.slots.size() == 5);        // the last hour has connections alone
  CHECK(report.slots[4].volume.received + report.slots[4].volume.delivered + report.slots[4].volume.rejected == 0);
  CHECK(report.slots[0].begin == noon);
  CHECK(report.slots[0].volume.received == 3);
  CHECK(report.slots[1].volume.received == 1);
  std::uint64_t rejected = 0;
  for (const Slot& slot : report.slots) rejected += slot.volume.rejected;
  CHECK(rejected == 7);
  CHECK(rows(report.sender_domains) == "peer.example 2 2147;<> 1 900;example.org 1 512;");
  CHECK(rows(report.users) == "login|dan 1 99;local|mansio 1 900;local|root 1 512;");
  CHECK(rows(report.deferrals) == "mx.far.example|451 4.7.1 greylisted 1 0;");
  CHECK(rows(report.failures) == "far.example|550 5.1.1 no such user 1 0;");
  CHECK(rows(report.login_clients) == "[192.0.2.66] 1 0;");
  CHECK(rows(report.destinations) == "mx.far.example 1 530;");
  CHECK(report.queue.count == 2);
  CHECK(report.queue.longest == Duration(3000));
  REQUIRE(report.tls.size() == 3);
  CHECK((report.tls[0].version.empty() && report.tls[0].in == 1 && report.tls[1].version == "TLS1.2" && report.tls[1].out == 1));
}

TEST_CASE("slots grow with the time that is shown, have no gaps and begin at round local times") {
  struct Row { const char* zone; int days; std::int64_t step_hours; std::size_t slots; };
  for (auto [zone, days, hours, count] : {Row{"UTC", 1, 1, 24}, {"UTC", 2, 1, 48}, {"UTC", 3, 2, 36}, {"UTC", 7, 3, 56}, {"UTC", 14, 6, 56},
                                          {"UTC", 30, 24, 30}, {"UTC", 60, 24, 60}, {"UTC", 365, 168, 53}, {"UTC", 1000, 672, 36}, {"Europe/Vienna", 60, 24, 60}}) {
    Utc utc;
    Utc::set(zone);
    CAPTURE(zone, days);
    Time from = history::LineParser().time_of("2025-09-01 00:00:00").value();
    Statistics statistics;
    int events = 0;
    for (Time at = from; at < from + std::chrono::hours(24 * days); at += std::chrono::minutes(17)) {
      statistics.add({at, log::Arrival{.id = "x", .size = 1}});
      ++events;
    }
    Report report = statistics.finish(from, from + std::chrono::hours(24 * days), 66, 10);
    CHECK(report.step == std::chrono::hours(hours));
    CHECK(report.slots.size() >= count);
    CHECK(report.slots.size() <= count + 1);
    std::uint64_t sum = 0;
    for (const Slot& slot : report.slots) {
      sum += slot.volume.received;
      if (hours >= 24) CHECK(stamp_text(slot.begin).ends_with(" 00:00"));
    }
    CHECK(sum == static_cast<std::uint64_t>(events));
  }
}

TEST_CASE("quantiles are right within a few percent") {
  Spread spread;
  std::vector<std::int64_t> all;
  std::mt19937 random(3);
  std::lognormal_distribution<double> times(7, 2);
  for (int i = 0; i < 50'000; ++i) {
    all.push_back(static_cast<std::int64_t>(times(random)));
    spread.add(Duration(all.back()));
  }
  std::sort(all.begin(), all.end());
  for (double share : {0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999}) {
    CHECK(static_cast<double>(spread.quantile(share).count()) == Approx(static_cast<double>(all[static_cast<std::size_t>(share * 50'000)])).epsilon(0.06).margin(1));
  }
  CHECK(spread.quantile(1).count() == Approx(static_cast<double>(all.back())).epsilon(0.06));
  CHECK(spread.longest() == Duration(all.back()));
  auto ranges = spread.ranges(time_bounds);
  CHECK(std::accumulate(ranges.begin(), ranges.end(), std::uint64_t{0}) == 50'000);
  CHECK(Spread().quantile(0.5) == Duration(0));
}

TEST_CASE("the most frequent are found among more names than are kept") {
  TopList list;
  for (int i = 0; i < 200'000; ++i) {
    list.add("name " + std::to_string(i), 1);
    if (i % 10 == 0) list.add("often", 5);
    if (i % 20 == 0) list.add("less often", 2, "g");
  }
  CHECK(list.keys() <= 20'000);
  auto best = list.best(2);
  CHECK(rows(best) == "often 20000 100000;g|less often 10000 20000;");
}

TEST_CASE("reasons lose what differs from case to case") {
  for (auto [text, reason] : std::initializer_list<std::pair<std::string, std::string>>{
           {"550 5.1.1 <x@y.test>: Recipient address rejected", "550 5.1.1 <…>: Recipient address rejected"},
           {"relay not permitted", "relay not permitted"},
           {"421 too many from [192.0.2.1], wait", "421 too many from […], wait"},
           {"421 too many from 2001:db8::1", "421 too many from …"},
           {"queued as 4XyZ7Ab9cDq by mx1.test", "queued as … by mx1.test"},
           {"larger than 52428800 octets", "larger than … octets"},
           {"see id=12345678abc\nsecond line", "see id=…"},
           {"  two   blanks ", "two blanks"},
           {"", ""}}) {
    CHECK(common_reason(text) == reason);
  }
  CHECK(common_reason(std::string(500, 'x')).size() <= 123);
  CHECK(common_reason("a " + std::string(300, '\xff')).size() <= 123);
}

TEST_CASE("text fits its width, and nothing from outside reaches the terminal as it is") {
  Utc utc;
  Statistics statistics;
  for (const char* name : {"\x1b[31mred@evil.test", "\xe2\x80\xae@evil.test", "wide\xe6\xbc\xa2\xe5\xad\x97@evil.test", "\xff\xfe@evil.test", "a\nb@evil.test"}) {
    statistics.add({noon, log::Arrival{.id = "x", .sender = std::string(name) + std::string(200, 'y'), .host = {"", "", name, 0}, .size = 5}});
    statistics.add({noon, log::Deferral{.id = "x", .address = name, .text = std::string("451 ") + name, .host = {name, "", "192.0.2.1", 0}}});
  }
  std::string text = to_text(statistics.finish({}, {}, 66, 10), 80, false);
  CHECK(text.find('\x1b') == std::string::npos);
  for (std::string_view line : {std::string_view(text)}) {
    while (!line.empty()) {
      std::string_view one = line.substr(0, line.find('\n'));
      std::size_t columns = 0;
      for (char c : one) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
      CHECK(columns <= 80);
      line.remove_prefix(std::min(line.size(), one.size() + 1));
    }
  }
  CHECK(to_text(of_samples(), 80, true).find("\x1b[32m") != std::string::npos);
}

TEST_CASE("JSON has all numbers") {
  Utc utc;
  auto object = nlohmann::json::parse(to_json(of_samples()));
  CHECK(object["totals"]["received"] == 4);
  CHECK(object["totals"]["rejected_temporarily"] == 1);
  CHECK(object["from"] == "2025-11-20T12:00:00Z");
  CHECK(object["step"] == 3600);
  CHECK(object["course"].size() == 5);
  CHECK(object["queue_time"]["longest"] == 3.0);
  CHECK(object["deferrals"][0]["destination"] == "mx.far.example");
  CHECK(object["users"][0] == nlohmann::json{{"kind", "login"}, {"user", "dan"}, {"count", 1}, {"bytes", 99}});
  CHECK(object["tls"][2] == nlohmann::json{{"version", "TLS1.3"}, {"in", 1}, {"out", 0}});
}

TEST_CASE("hostile names stay text in the page") {
  Utc utc;
  Statistics statistics;
  const std::string evil = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;\x1b";
  log::Host host{evil, evil, evil, 25};
  statistics.add({noon, log::Arrival{.id = evil, .sender = evil + "@" + evil, .host = host, .user = evil, .protocol = evil,
                                     .tls = log::Tls{evil, evil, 1, {}, evil, evil}, .auth = "PLAIN:" + evil, .size = 1, .recipients = {evil}}});
  statistics.add({noon, log::Delivery{.id = evil, .address = evil, .host = host, .tls = log::Tls{evil, evil}, .reply = evil}});
  statistics.add({noon, log::Deferral{.id = evil, .address = evil, .text = evil, .host = host}});
  statistics.add({noon, log::Failure{.id = evil, .address = evil, .text = evil}});
  statistics.add({noon, log::Rejection{.host = host, .argument = evil, .reason = evil}});
  statistics.add({noon, log::AuthFailure{evil, host, evil}});
  Report report = statistics.finish({}, {}, 66, 10);
  report.host = evil;
  report.problems = {evil};
  std::string page = to_html(report);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("<img") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img") != std::string::npos);
  CHECK(page.find("&amp;amp;\\x1b") != std::string::npos);
  CHECK(page.find('\x1b') == std::string::npos);
  // In no attribute is a quote of theirs: every tag's attributes are of ours.
  for (auto at = page.find("onerror"); at != std::string::npos; at = page.find("onerror", at + 1)) {
    CHECK(page.substr(at - 20, 20).find("&lt;img src=x ") != std::string::npos);
  }
}

TEST_CASE("the page needs nothing from elsewhere and has a table for each chart") {
  Utc utc;
  std::string page = to_html(of_samples());
  for (const char* word : {"http://", "https://", "url(", "@import", "<link", "<script", "src="}) {
    CAPTURE(word);
    CHECK(page.find(word) == std::string::npos);
  }
  auto count = [&](std::string_view word) {
    std::size_t n = 0;
    for (auto at = page.find(word); at != std::string::npos; at = page.find(word, at + 1)) ++n;
    return n;
  };
  CHECK(count("role=\"img\"") == 6);
  CHECK(count("<summary>As a table</summary>") == 4);
  for (const char* tag : {"div", "table", "svg", "ul", "figure", "section", "details", "tr", "td", "g"}) {
    CAPTURE(tag);
    CHECK(count(fmt::format("<{}>", tag)) + count(fmt::format("<{} ", tag)) == count(fmt::format("</{}>", tag)));
  }
}

TEST_CASE("numbers and times are worded") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(axis_end(0) == 2);
  CHECK(axis_end(7) == 10);
  CHECK(axis_end(285) == 400);
  CHECK(axis_end(UINT64_MAX) >= 1'000'000'000);
  CHECK(size_text(1536) == "1.5\u00a0KiB");
  CHECK(span_text(Duration(2'700'000)) == "45\u00a0min");
  CHECK(share_text(1, 3) == "33.3\u00a0%");
  CHECK(share_text(0, 0) == "–");
}
