#include <thread>

#include <catch2/catch.hpp>

#include "log/samples.hpp"
#include "metrics/metrics.hpp"

using namespace mansio;
using namespace mansio::metrics;

namespace {

// The value of a sample: its line without it.
std::string value_of(const std::string& page, const std::string& sample) {
  auto at = page.find("\n" + sample + " ");
  if (at == std::string::npos) return "none";
  auto begin = at + sample.size() + 2;
  return page.substr(begin, page.find('\n', begin) - begin);
}

}  // namespace

TEST_CASE("each kind of event is counted where it belongs") {
  Metrics metrics;
  for (const log::test::Sample& sample : log::test::samples()) metrics.observe(sample.event);
  std::string page = metrics.text({});
  for (auto [sample, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"mansio_messages_received_total{protocol=\"esmtps\"}", "1"},
           {"mansio_messages_received_total{protocol=\"esmtpa\"}", "1"},
           {"mansio_messages_received_total{protocol=\"local\"}", "2"},
           {"mansio_received_bytes_total", "3559"},
           {"mansio_recipients_received_total", "3"},
           {"mansio_messages_authenticated_total", "1"},
           {"mansio_bounces_total", "1"},
           {"mansio_messages_completed_total", "3"},
           {"mansio_deliveries_total{to=\"local\"}", "2"},
           {"mansio_deliveries_total{to=\"remote\"}", "1"},
           {"mansio_deferrals_total{phase=\"rcpt\"}", "1"},
           {"mansio_failures_total", "1"},
           {"mansio_queue_time_seconds_bucket{le=\"0.1\"}", "0"},
           {"mansio_queue_time_seconds_bucket{le=\"0.5\"}", "1"},
           {"mansio_queue_time_seconds_bucket{le=\"5\"}", "2"},
           {"mansio_queue_time_seconds_bucket{le=\"+Inf\"}", "2"},
           {"mansio_queue_time_seconds_sum", "3.125"},
           {"mansio_queue_time_seconds_count", "2"},
           {"mansio_rejections_total{stage=\"rcpt\",reason=\"relay\"}", "1"},
           {"mansio_rejections_total{stage=\"rcpt\",reason=\"unknown_user\"}", "1"},
           {"mansio_rejections_total{stage=\"data\",reason=\"other\"}", "1"},
           {"mansio_rejections_temporary_total", "1"},
           {"mansio_connection_troubles_total{kind=\"no_mail\"}", "1"},
           {"mansio_authentications_total{result=\"failure\"}", "1"},
           {"mansio_tls_messages_total{direction=\"in\",version=\"TLS1.3\"}", "1"},
           {"mansio_tls_messages_total{direction=\"in\",version=\"none\"}", "1"},
           {"mansio_tls_messages_total{direction=\"out\",version=\"TLS1.2\"}", "1"}}) {
    CAPTURE(sample);
    CHECK(value_of(page, sample) == value);
  }
}

TEST_CASE("rates forget what is older than their span") {
  RecentRate rate;
  MonotonicTime start{std::chrono::seconds(1'000'000)};
  auto at = [&](int seconds) { return start + std::chrono::seconds(seconds); };
  auto minutes = [](int n) { return Duration(std::chrono::minutes(n)); };
  CHECK(rate.over(minutes(1), start) == 0);
  for (int second = 0; second < 600; ++second) rate.add(at(second), 3);
  CHECK(rate.over(minutes(1), at(600)) == Approx(3).epsilon(0.1));
  CHECK(rate.over(minutes(5), at(600)) == Approx(3).epsilon(0.1));
  CHECK(rate.over(minutes(15), at(600)) == Approx(3).epsilon(0.1));     // it is ten minutes old
  CHECK(rate.over(minutes(1), at(700)) == 0);
  CHECK(rate.over(minutes(5), at(700)) == Approx(2).epsilon(0.1));
  CHECK(rate.over(minutes(15), at(1200)) == Approx(1).epsilon(0.1));
  CHECK(rate.over(minutes(15), at(9000)) == 0);
  rate.add(at(9000));
  CHECK(rate.over(minutes(1), at(9001)) > 0);
}

TEST_CASE("nothing is lost when several threads count at once") {
  RecentRate rate;
  Histogram histogram(second_bounds);
  auto now = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20'000; ++n) {
        rate.add(now);
        histogram.observe(std::chrono::milliseconds(n % 2 == 0 ? 1 : 20'000));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(rate.over(Duration(5000), now + std::chrono::milliseconds(1)) * 5 >= 80'000 * 0.99);
  CHECK(histogram.count(1) == 40'000);
  CHECK(histogram.count(second_bounds.size()) == 40'000);
  CHECK(histogram.sum() == Approx(40'000 * 20.001));
}

TEST_CASE("labels are escaped, and numbers that are no numbers count as nothing") {
  Page page;
  page.gauge("x", "help");
  page.sample({{"a", "q\"b\\c\nd"}, {"e", ""}}, 1.5);
  CHECK(page.take() == "# HELP x help\n# TYPE x gauge\nx{a=\"q\\\"b\\\\c\\nd\",e=\"\"} 1.5\n");
  Histogram histogram(record_bounds);
  histogram.observe(-1.0);
  histogram.observe(0.0 / 0.0);
  CHECK(histogram.count(0) == 2);
  CHECK(histogram.sum() == 0);
}

TEST_CASE("the process tells of itself under the names that all use") {
  Page page;
  process_text(page);
  std::string text = page.take();
  CHECK(std::stod(value_of(text, "process_resident_memory_bytes")) > 1e6);
  CHECK(std::stod(value_of(text, "process_open_fds")) >= 3);
  CHECK(std::stod(value_of(text, "process_start_time_seconds")) == Approx(static_cast<double>(std::time(nullptr))).margin(120));
}
