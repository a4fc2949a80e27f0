// What the daemon has counted, for `mansioctl status` and for those who have no scraper.
#include "control/session.hpp"
#include "control/status.hpp"
#include "metrics/metrics.hpp"

namespace mansio::control {

nlohmann::json rates_object(const metrics::Metrics& metrics) {
  auto recent = metrics.recent(std::chrono::steady_clock::now());
  auto list = [](const double (&rates)[3]) { return nlohmann::json{rates[0], rates[1], rates[2]}; };
  return {{"received", list(recent.received)}, {"delivered", list(recent.delivered)}, {"deferred", list(recent.deferred)},
          {"failed", list(recent.failed)}, {"rejected", list(recent.rejected)}};
}

event::Task<> Session::metrics() {
  if (!services_.metrics_page) {
    refuse("nothing is counted here");
    co_return;
  }
  Json answer;
  answer["text"] = services_.metrics_page();
  end(std::move(answer));
}

}  // namespace mansio::control
