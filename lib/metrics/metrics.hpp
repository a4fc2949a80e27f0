// What the daemon counts. Most of it comes from log events: the Logger calls observe() with each before it queues it. The
// rest is told by small hooks of the rooms (daemon/metering.cpp ties them). Counting takes no lock and allocates nothing;
// text() is the Prometheus page (docs/metrics.md), recent() is for `mansioctl status`.
#pragma once
#include <functional>
#include <string>

#include "log/event.hpp"
#include "metrics/figures.hpp"
#include "metrics/page.hpp"

namespace mansio::metrics {

class Metrics {
 public:
  // From any thread.
  void observe(const log::Event& event) noexcept;

  // A second, on average over the last 1, 5 and 15 minutes.
  struct Recent {
    double received[3], delivered[3], deferred[3], failed[3], rejected[3];   // messages; recipients; …; refusals
  };
  Recent recent(MonotonicTime now) const noexcept;

  // What other rooms tell.
  enum class Login : std::uint8_t { done, failed };
  Histogram accept{second_bounds};                 // from the end of a message's content to its 250
  Histogram sync{second_bounds}, sync_records{record_bounds};
  Histogram dns{second_bounds}, loop_lag{second_bounds};
  Counter dns_questions, dns_timeouts, dns_failures;
  Counter logins;                                  // that went well
  enum class Role : std::uint8_t { relay, submission, lmtp, local };
  Counter sessions[4];                             // begun, by role

  // The page. `more` writes what is looked up now: gauges of the queue, of sessions and of the process.
  std::string text(const std::function<void(Page&)>& more) const;

 private:
  static constexpr std::size_t protocols = 8, tls_versions = 4, phases = 6, stages = 6, reasons = 5, troubles = 13;
  struct Observer;
  void messages_text(Page& page) const;
  void refusals_text(Page& page) const;
  void tls_text(Page& page) const;

  Counter received_[protocols], received_bytes_, received_recipients_, bounces_, logged_in_, completed_;
  Counter delivered_, delivered_remote_, deferred_[phases], failed_;
  Counter rejected_[stages][reasons], rejected_for_now_, trouble_[troubles], login_failures_, panics_;
  Counter tls_in_[tls_versions], tls_out_[tls_versions];
  Histogram queue_time_{queue_time_bounds}, delivery_time_{second_bounds};
  RecentRate recent_received_, recent_delivered_, recent_deferred_, recent_failed_, recent_rejected_;
};

// Figures of this process, under the names that all Prometheus clients use; from /proc.
void process_text(Page& page);

}  // namespace mansio::metrics
