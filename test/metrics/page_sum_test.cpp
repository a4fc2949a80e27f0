// The pages of several mail processes as one.
#include "metrics/page_sum.hpp"

#include <catch2/catch.hpp>

namespace mansio::metrics {
namespace {

std::string counter_page(int got, int open, int complete) {
  return "# HELP mansio_got_total What came.\n# TYPE mansio_got_total counter\nmansio_got_total{how=\"a b\"} " + std::to_string(got) +
         "\n# HELP mansio_open Open.\n# TYPE mansio_open gauge\nmansio_open " + std::to_string(open) +
         "\n# HELP mansio_queue_complete Read.\n# TYPE mansio_queue_complete gauge\nmansio_queue_complete " + std::to_string(complete) + "\n";
}

std::string value_in(const std::string& page, const std::string& series) {
  auto at = page.find("\n" + series + " ");
  if (at == std::string::npos) return "none";
  at += series.size() + 2;
  return page.substr(at, page.find('\n', at) - at);
}

}  // namespace

TEST_CASE("Samples of the same name and labels are added, and of flags the smallest counts") {
  PageSum sum;
  std::string page = sum.text({counter_page(3, 1, 1), counter_page(4, 2, 0)});
  CHECK(value_in(page, "mansio_got_total{how=\"a b\"}") == "7");
  CHECK(value_in(page, "mansio_open") == "3");
  CHECK(value_in(page, "mansio_queue_complete") == "0");
  CHECK(value_in(page, "mansio_processes") == "2");
  CHECK(value_in(page, "mansio_processes_missing") == "0");
  CHECK(page.starts_with("# HELP mansio_got_total What came.\n# TYPE mansio_got_total counter\n"));
  CHECK(page.find("# TYPE mansio_open gauge") == page.rfind("# TYPE mansio_open gauge"));
}

TEST_CASE("A counter does not fall when a process is away or was started again, and a gauge does") {
  PageSum sum;
  (void)sum.text({counter_page(3, 1, 1), counter_page(10, 5, 1)});
  std::string away = sum.text({counter_page(4, 1, 1), ""});
  CHECK(value_in(away, "mansio_got_total{how=\"a b\"}") == "14");
  CHECK(value_in(away, "mansio_open") == "1");
  CHECK(value_in(away, "mansio_processes_missing") == "1");
  std::string again = sum.text({counter_page(4, 1, 1), counter_page(2, 0, 1)});
  CHECK(value_in(again, "mansio_got_total{how=\"a b\"}") == "16");
  std::string on = sum.text({counter_page(4, 1, 1), counter_page(3, 0, 1)});
  CHECK(value_in(on, "mansio_got_total{how=\"a b\"}") == "17");
}

TEST_CASE("Lines that make no sense are left out") {
  PageSum sum;
  std::string page = sum.text({"x 1\n# TYPE\n# HELP y z w\n# TYPE y counter\ny\ny one\ny 2\n"});
  CHECK(value_in(page, "y") == "2");
  CHECK(page.find("one") == std::string::npos);
}

}  // namespace mansio::metrics
