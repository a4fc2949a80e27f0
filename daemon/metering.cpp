#include "metering.hpp"

#include "control/status.hpp"

namespace mansio::daemon {
namespace {

constexpr Duration lag_interval{1000};

metrics::Metrics::Role role_of(const receive::Service& service) {
  using Role = metrics::Metrics::Role;
  if (service.local) return Role::local;
  if (service.protocol == smtp::Protocol::lmtp) return Role::lmtp;
  return service.submission ? Role::submission : Role::relay;
}

}  // namespace

Metering::Metering(event::Loop& loop, event::Scope& scope, log::Logger& logger)
    : scope_(scope), log_(logger), exporter_(loop, scope, [this] { return scraped_page(); }), timer_(loop) {
  logger.observe([this](const log::Event& event) { metrics_.observe(event); });
}

spool::Synced Metering::sync_observer() {
  return [this](std::size_t records, std::chrono::nanoseconds took) {
    metrics_.sync.observe(took);
    metrics_.sync_records.observe(static_cast<double>(records));
  };
}

void Metering::watch(receive::Receiver& receiver) {
  receiver.observers.session = [this](const receive::Service& service) { metrics_.sessions[static_cast<std::size_t>(role_of(service))].add(); };
  receiver.observers.login = [this] { metrics_.logins.add(); };
  receiver.observers.taken_over = [this](std::chrono::nanoseconds took) { metrics_.accept.observe(took); };
}

void Metering::watch(dns::Resolver& resolver) {
  resolver.observe([this](dns::Resolver::Try how, std::chrono::nanoseconds took) {
    metrics_.dns_questions.add();
    if (how == dns::Resolver::Try::answered) metrics_.dns.observe(took);
    else (how == dns::Resolver::Try::silent ? metrics_.dns_timeouts : metrics_.dns_failures).add();
  });
}

void Metering::know(queue::Queue& queue, receive::Receiver& receiver, std::function<control::Facts()> facts) {
  queue_ = &queue;
  receiver_ = &receiver;
  facts_ = std::move(facts);
}

std::string Metering::configure(const config::Config& config) {
  auto listening = exporter_.listen(config.metrics_listen);
  if (exporter_.listening() && !watching_) scope_.spawn(watch_loop());
  return listening ? "" : "metrics.listen: " + listening.error().text();
}

void Metering::close() {
  closing_ = true;
  exporter_.close();
  timer_.wake();
}

// How late a timer fires is how long something else kept the loop. While nobody asks, it is not worth waking up for.
event::Task<> Metering::watch_loop() {
  watching_ = true;
  while (exporter_.listening() && !closing_) {
    auto wanted = std::chrono::steady_clock::now() + lag_interval;
    bool elapsed = co_await timer_.sleep(lag_interval);
    // The loop's clock counts whole milliseconds, so a timer may be early by one.
    auto late = std::chrono::steady_clock::now() - wanted;
    if (elapsed) metrics_.loop_lag.observe(std::max<std::chrono::nanoseconds>(late, std::chrono::nanoseconds(0)));
  }
  watching_ = false;
}

void Metering::queue_text(metrics::Page& page) const {
  control::StatusNumbers numbers;
  control::describe_queue(*queue_, numbers);
  page.gauge("mansio_queue_messages", "Messages in the queue, by what they wait for.");
  for (auto [state, count] : {std::pair{"due", numbers.due}, {"trying", numbers.trying}, {"waiting", numbers.waiting}, {"closed", numbers.closed},
                              {"paused", numbers.paused}, {"frozen", numbers.frozen}}) {
    page.sample({{"state", state}}, static_cast<double>(count));
  }
  page.gauge("mansio_queue_complete", "1 when all of the spool has been read after the start.", numbers.complete ? 1 : 0);
  std::size_t closed = 0;
  for (const auto& site : numbers.destinations) closed += site.closed_until != Time();
  page.gauge("mansio_destinations_closed", "Destinations that are out of reach for the moment.", static_cast<double>(closed));
  page.gauge("mansio_connections_out_open", "Connections to other hosts that are open.", static_cast<double>(queue_->remote.connections()));
  page.gauge("mansio_spool_accepting", "1 when new mail is taken, 0 when the disk is full or fails.", queue_->spool.accepting() ? 1 : 0);
}

void Metering::sessions_text(metrics::Page& page) const {
  page.gauge("mansio_sessions_open", "Sessions that go on, by listener.");
  std::size_t known = 0;
  for (const auto& listener : facts_().listeners) {
    event::Endpoint at;
    at.address = listener.unix_path().empty() ? listener.address : std::string();
    at.port = listener.port;
    std::size_t count = receiver_->sessions_at(at, listener.unix_path());
    known += count;
    page.sample({{"listener", listener.name()}, {"role", listener.role}}, static_cast<double>(count));
  }
  std::size_t all = receiver_->connections();
  page.sample({{"listener", "local"}, {"role", "local"}}, static_cast<double>(all - std::min(all, known)));
}

event::Task<std::string> Metering::scraped_page() {
  if (!scraped_) co_return page();
  std::string out = co_await scraped_();
  co_return out;
}

std::string Metering::page() const {
  return metrics_.text([this](metrics::Page& page) {
    if (queue_ != nullptr) queue_text(page);
    if (receiver_ != nullptr) sessions_text(page);
    page.counter("mansio_log_lines_lost_total", "Events that were not logged for want of room in the log's queue.");
    page.sample(static_cast<double>(log_.lost()));
    page.gauge("mansio_build_info", "Always 1; the version is a label.");
    page.sample({{"version", MANSIO_VERSION}}, 1);
    metrics::process_text(page);
  });
}

}  // namespace mansio::daemon
