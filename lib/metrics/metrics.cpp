#include "metrics/metrics.hpp"

#include <string_view>

#include "base/text.hpp"

namespace mansio::metrics {
namespace {

using std::string_view;

constexpr string_view protocol_names[] = {"smtp", "esmtp", "esmtps", "esmtpa", "esmtpsa", "lmtp", "local", "other"};
constexpr string_view tls_names[] = {"none", "TLS1.2", "TLS1.3", "other"};
constexpr string_view phase_names[] = {"rcpt", "mail", "data", "retry_time", "system", "other"};
constexpr string_view stage_names[] = {"connection", "helo", "mail", "rcpt", "data", "other"};
constexpr string_view reason_names[] = {"relay", "unknown_user", "unrouteable", "sender_verify", "other"};
constexpr string_view trouble_names[] = {"early_talker", "early_pipelining", "too_many_errors", "too_many_nonmail", "syntax_error",
                                         "protocol_error", "lost", "lost_in_data", "command_timeout", "data_timeout", "tls_error",
                                         "refused", "no_mail"};
constexpr string_view role_names[] = {"relay", "submission", "lmtp", "local"};

// Where `word` stands; the last for all others.
template <std::size_t N>
std::size_t index_of(const string_view (&names)[N], string_view word) noexcept {
  for (std::size_t i = 0; i + 1 < N; ++i) {
    if (names[i] == word) return i;
  }
  return N - 1;
}

std::size_t protocol_index(string_view protocol) noexcept {
  // RFC 6531 §4.3: the same with SMTPUTF8.
  if (protocol.starts_with("utf8smtp")) protocol = protocol.size() == 8 ? "esmtp" : protocol.substr(8) == "s" ? "esmtps" : protocol.substr(8) == "a" ? "esmtpa" : "esmtpsa";
  if (protocol.starts_with("lmtp") || protocol.starts_with("utf8lmtp")) return 5;
  return index_of(protocol_names, protocol);
}

std::size_t tls_index(const std::optional<log::Tls>& tls) noexcept {
  if (!tls) return 0;
  return tls->version == "TLS1.2" ? 1 : tls->version == "TLS1.3" ? 2 : 3;
}

std::size_t phase_index(int number) noexcept {
  switch (number) {
    case log::Phase::rcpt: return 0;
    case log::Phase::mail: return 1;
    case log::Phase::data: return 2;
    case log::Phase::local_retry:
    case log::Phase::host_retry: return 3;
    default: return number > 0 ? 4 : 5;
  }
}

std::size_t reason_index(string_view reason) noexcept {
  constexpr string_view begins[] = {log::reason::relay, log::reason::unknown_user, log::reason::unrouteable, log::reason::sender_verify};
  for (std::size_t i = 0; i < 4; ++i) {
    if (reason.starts_with(begins[i])) return i;
  }
  return 4;
}

double number(const Counter& counter) noexcept { return static_cast<double>(counter.value()); }

}  // namespace

struct Metrics::Observer {
  Metrics& m;
  MonotonicTime now;

  void operator()(const log::Arrival& e) const noexcept {
    m.received_[protocol_index(e.protocol)].add();
    m.received_bytes_.add(e.size);
    m.received_recipients_.add(e.recipients.size());
    if (!e.reply_to_id.empty()) m.bounces_.add();
    if (!e.auth.empty()) m.logged_in_.add();
    if (!e.host.address.empty()) m.tls_in_[tls_index(e.tls)].add();
    m.recent_received_.add(now);
  }
  void operator()(const log::Delivery& e) const noexcept {
    if (e.mark == log::Delivery::Mark::suppressed) return;
    m.delivered_.add();
    if (!e.host.address.empty()) {
      m.delivered_remote_.add();
      m.tls_out_[tls_index(e.tls)].add();
    }
    if (e.delivery_time) m.delivery_time_.observe(*e.delivery_time);
    m.recent_delivered_.add(now);
  }
  void operator()(const log::Deferral& e) const noexcept {
    m.deferred_[phase_index(e.number)].add();
    m.recent_deferred_.add(now);
  }
  void operator()(const log::Failure&) const noexcept {
    m.failed_.add();
    m.recent_failed_.add(now);
  }
  void operator()(const log::Completed& e) const noexcept {
    m.completed_.add();
    if (e.queue_time) m.queue_time_.observe(*e.queue_time);
  }
  void operator()(const log::Rejection& e) const noexcept {
    m.rejected_[static_cast<std::size_t>(e.stage)][reason_index(e.reason)].add();
    if (e.temporary) m.rejected_for_now_.add();
    m.recent_rejected_.add(now);
  }
  void operator()(const log::ConnectionTrouble& e) const noexcept { m.trouble_[static_cast<std::size_t>(e.kind)].add(); }
  void operator()(const log::Connection&) const noexcept {}      // sessions are counted where they begin
  void operator()(const log::AuthFailure&) const noexcept { m.login_failures_.add(); }
  void operator()(const log::Notice& e) const noexcept {
    if (e.panic) m.panics_.add();
  }
};

void Metrics::observe(const log::Event& event) noexcept {
  std::visit(Observer{*this, std::chrono::steady_clock::now()}, event);
}

Metrics::Recent Metrics::recent(MonotonicTime now) const noexcept {
  Recent out{};
  constexpr int minutes[] = {1, 5, 15};
  for (int i = 0; i < 3; ++i) {
    Duration span = std::chrono::minutes(minutes[i]);
    out.received[i] = recent_received_.over(span, now);
    out.delivered[i] = recent_delivered_.over(span, now);
    out.deferred[i] = recent_deferred_.over(span, now);
    out.failed[i] = recent_failed_.over(span, now);
    out.rejected[i] = recent_rejected_.over(span, now);
  }
  return out;
}

void Metrics::messages_text(Page& page) const {
  page.counter("mansio_messages_received_total", "Messages accepted, by protocol.");
  for (std::size_t i = 0; i < protocols; ++i) page.sample({{"protocol", protocol_names[i]}}, number(received_[i]));
  page.counter("mansio_received_bytes_total", "Size of the messages accepted.", received_bytes_);
  page.counter("mansio_recipients_received_total", "Recipients of the messages accepted.", received_recipients_);
  page.counter("mansio_messages_authenticated_total", "Messages accepted from users who had logged in.", logged_in_);
  page.counter("mansio_bounces_total", "Reports of failures and delays that were made.", bounces_);
  page.counter("mansio_messages_completed_total", "Messages that left the queue.", completed_);
  page.counter("mansio_deliveries_total", "Recipients delivered to.");
  page.sample({{"to", "local"}}, number(delivered_) - number(delivered_remote_));
  page.sample({{"to", "remote"}}, number(delivered_remote_));
  page.counter("mansio_deferrals_total", "Attempts that left a recipient waiting, by what the trouble was at.");
  for (std::size_t i = 0; i < phases; ++i) page.sample({{"phase", phase_names[i]}}, number(deferred_[i]));
  page.counter("mansio_failures_total", "Recipients that can not be delivered to.", failed_);
  page.histogram("mansio_queue_time_seconds", "Time from a message's arrival to its end.", queue_time_);
  page.histogram("mansio_delivery_time_seconds", "Time that a delivery took.", delivery_time_);
  page.histogram("mansio_accept_time_seconds", "Time from the end of a message's content to the reply that takes it over.", accept);
}

void Metrics::refusals_text(Page& page) const {
  page.counter("mansio_rejections_total", "Commands, messages and connections refused, by stage and reason.");
  for (std::size_t stage = 0; stage < stages; ++stage) {
    for (std::size_t reason = 0; reason < reasons; ++reason) {
      page.sample({{"stage", stage_names[stage]}, {"reason", reason_names[reason]}}, number(rejected_[stage][reason]));
    }
  }
  page.counter("mansio_rejections_temporary_total", "Those of the refusals that said to try again.", rejected_for_now_);
  page.counter("mansio_connection_troubles_total", "Connections that went wrong, by kind.");
  for (std::size_t i = 0; i < troubles; ++i) page.sample({{"kind", trouble_names[i]}}, number(trouble_[i]));
  page.counter("mansio_sessions_total", "Sessions that clients began, by the listener's role.");
  for (std::size_t i = 0; i < 4; ++i) page.sample({{"role", role_names[i]}}, number(sessions[i]));
  page.counter("mansio_authentications_total", "Log-ins of clients, by result.");
  page.sample({{"result", "success"}}, number(logins));
  page.sample({{"result", "failure"}}, number(login_failures_));
}

void Metrics::tls_text(Page& page) const {
  page.counter("mansio_tls_messages_total", "Messages received and recipients delivered to over the network, by TLS version.");
  for (std::size_t i = 0; i < tls_versions; ++i) page.sample({{"direction", "in"}, {"version", tls_names[i]}}, number(tls_in_[i]));
  for (std::size_t i = 0; i < tls_versions; ++i) page.sample({{"direction", "out"}, {"version", tls_names[i]}}, number(tls_out_[i]));
}

std::string Metrics::text(const std::function<void(Page&)>& more) const {
  Page page;
  messages_text(page);
  refusals_text(page);
  tls_text(page);
  page.histogram("mansio_journal_sync_seconds", "Time that a write to the spool's journal took, with its sync.", sync);
  page.histogram("mansio_journal_sync_records", "Records that one sync of the journal made durable.", sync_records);
  page.counter("mansio_dns_questions_total", "Questions to name servers, with repetitions.", dns_questions);
  page.counter("mansio_dns_timeouts_total", "Questions that a name server did not answer in time.", dns_timeouts);
  page.counter("mansio_dns_failures_total", "Questions that a name server could not be asked, or could not answer.", dns_failures);
  page.histogram("mansio_dns_answer_seconds", "Time that name servers took to answer.", dns);
  page.histogram("mansio_loop_lag_seconds", "How late a timer of the event loop fires.", loop_lag);
  page.counter("mansio_panics_total", "Lines of the panic log.", panics_);
  if (more) more(page);
  return page.take();
}

}  // namespace mansio::metrics
