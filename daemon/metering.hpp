// Ties the counting (lib/metrics) to what is counted, and gives the figures to scrapers and to the control socket.
#pragma once
#include <optional>
#include <string>

#include "config/config.hpp"
#include "control/facts.hpp"
#include "dns/resolver.hpp"
#include "event/timer.hpp"
#include "log/logger.hpp"
#include "metrics/exporter.hpp"
#include "metrics/metrics.hpp"
#include "queue/queue.hpp"
#include "receive/receiver.hpp"
#include "spool/journal.hpp"

namespace mansio::daemon {

class Metering {
 public:
  // Counts the log's events from now on.
  Metering(event::Loop& loop, event::Scope& scope, log::Logger& logger);

  spool::Synced sync_observer();
  void watch(receive::Receiver& receiver);
  void watch(dns::Resolver& resolver);
  // From then on the page tells of the queue and of the sessions.
  void know(queue::Queue& queue, receive::Receiver& receiver, std::function<control::Facts()> facts);

  // Where the configuration says. Why not, or "".
  std::string configure(const config::Config& config);
  void close();                      // before the end

  // Scrapers get this one instead: of several mail processes together.
  void scrape(metrics::Exporter::Page page) { scraped_ = std::move(page); }

  const metrics::Metrics& metrics() const noexcept { return metrics_; }
  std::string page() const;

 private:
  event::Task<> watch_loop();
  event::Task<std::string> scraped_page();
  void queue_text(metrics::Page& page) const;
  void sessions_text(metrics::Page& page) const;

  event::Scope& scope_;
  log::Logger& log_;
  metrics::Metrics metrics_;
  metrics::Exporter exporter_;
  event::Timer timer_;
  queue::Queue* queue_ = nullptr;
  receive::Receiver* receiver_ = nullptr;
  std::function<control::Facts()> facts_;
  metrics::Exporter::Page scraped_;
  bool watching_ = false, closing_ = false;
};

}  // namespace mansio::daemon
