#include <ctime>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "report/report.hpp"

namespace mansio::report {
namespace {

constexpr std::size_t most_hours = 24 * 366 * 3;

std::string_view domain_of(std::string_view address) {
  auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

std::string client_name(const log::Host& host) {
  if (host.name.empty()) return "[" + host.address + "]";
  return host.name + " [" + host.address + "]";
}

std::string_view kind_words(log::ConnectionTrouble::Kind kind) {
  using Kind = log::ConnectionTrouble::Kind;
  switch (kind) {
    case Kind::early_talker: return "talked before the greeting";
    case Kind::early_pipelining: return "pipelined where it may not";
    case Kind::too_many_errors: return "too many errors, dropped";
    case Kind::too_many_nonmail: return "too many commands without mail, dropped";
    case Kind::syntax_error: return "syntax error";
    case Kind::protocol_error: return "protocol error";
    case Kind::lost: return "left without QUIT";
    case Kind::lost_in_data: return "left in the middle of a message";
    case Kind::command_timeout: return "silent for too long";
    case Kind::data_timeout: return "silent for too long in a message";
    case Kind::tls_error: return "TLS failed";
    case Kind::refused: return "refused at once";
    case Kind::no_mail: return "no mail sent";
  }
  return "other";
}

std::string_view stage_words(log::Rejection::Stage stage) {
  using Stage = log::Rejection::Stage;
  switch (stage) {
    case Stage::connection: return "connection";
    case Stage::helo: return "HELO";
    case Stage::mail: return "MAIL";
    case Stage::rcpt: return "RCPT";
    case Stage::data: return "DATA";
    case Stage::other: return "other";
  }
  return "other";
}

Times times_of(const Spread& spread) {
  Times out;
  out.count = spread.count();
  out.median = spread.quantile(0.5);
  out.p95 = spread.quantile(0.95);
  out.p99 = spread.quantile(0.99);
  out.longest = spread.longest();
  out.ranges = spread.ranges(time_bounds);
  return out;
}

// Where the slot that holds `time` begins, by the local clock.
std::time_t slot_begin(Time time, std::chrono::seconds step) {
  std::time_t clock = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  ::localtime_r(&clock, &local);
  local.tm_min = local.tm_sec = 0;
  auto hours = static_cast<int>(step.count() / 3600);
  if (hours < 24) local.tm_hour -= local.tm_hour % hours;
  else local.tm_hour = 0;
  if (hours > 24) local.tm_mday -= (local.tm_wday + 6) % 7;          // weeks begin on Monday
  local.tm_isdst = -1;
  return std::mktime(&local);
}

std::time_t next_begin(std::time_t begin, std::chrono::seconds step) {
  if (step < std::chrono::hours(24)) return begin + step.count();
  return slot_begin(Time(std::chrono::seconds(begin) + step + std::chrono::hours(3)), step);     // a day may have 25 hours
}

}  // namespace

void Volume::add(const Volume& other) noexcept {
  received += other.received;
  delivered += other.delivered;
  deferred += other.deferred;
  failed += other.failed;
  rejected += other.rejected;
  bytes += other.bytes;
}

struct Statistics::Adder {
  Statistics& s;
  Report& total;
  Volume& hour;

  void operator()(const log::Arrival& e) const {
    ++total.total.received;
    ++hour.received;
    total.total.bytes += e.size;
    hour.bytes += e.size;
    total.recipients += e.recipients.size();
    if (!e.reply_to_id.empty()) ++total.bounces;
    s.senders_.add(e.sender.empty() ? "<>" : e.sender, e.size);
    s.sender_domains_.add(e.sender.empty() ? "<>" : to_lower(domain_of(e.sender)), e.size);
    if (!e.host.address.empty()) {
      s.clients_.add(client_name(e.host), e.size);
      ++share(e.tls).in;
    }
    auto login = e.auth.find(':');
    if (!e.auth.empty()) ++total.logged_in;
    if (login != std::string::npos) s.users_.add(std::string_view(e.auth).substr(login + 1), e.size, "login");
    else if (!e.user.empty()) s.users_.add(e.user, e.size, "local");
  }

  void operator()(const log::Delivery& e) const {
    if (e.mark == log::Delivery::Mark::suppressed) return;
    ++total.total.delivered;
    ++hour.delivered;
    total.delivered_bytes += e.size;
    s.recipients_.add(e.address, e.size);
    s.recipient_domains_.add(to_lower(domain_of(e.address)), e.size);
    if (e.delivery_time) s.delivery_.add(*e.delivery_time);
    if (e.host.address.empty()) {
      ++total.delivered_local;
      return;
    }
    ++total.delivered_remote;
    s.destinations_.add(e.host.name.empty() ? client_name(e.host) : e.host.name, e.size);
    ++share(e.tls).out;
  }

  void operator()(const log::Deferral& e) const {
    ++total.total.deferred;
    ++hour.deferred;
    std::string domain = to_lower(domain_of(e.address));
    s.deferrals_.add(common_reason(e.text), 0, !e.host.name.empty() ? e.host.name : domain);
  }

  void operator()(const log::Failure& e) const {
    ++total.total.failed;
    ++hour.failed;
    s.failures_.add(common_reason(e.text), 0, to_lower(domain_of(e.address)));
  }

  void operator()(const log::Completed& e) const {
    ++total.completed;
    if (e.queue_time) s.queue_.add(*e.queue_time);
  }

  void operator()(const log::Rejection& e) const {
    ++total.total.rejected;
    ++hour.rejected;
    if (e.temporary) ++total.rejected_for_now;
    s.rejections_.add(common_reason(e.reason), 0, stage_words(e.stage));
  }

  void operator()(const log::ConnectionTrouble& e) const {
    if (e.kind == log::ConnectionTrouble::Kind::no_mail) return;
    ++total.troubles;
    s.trouble_kinds_.add(kind_words(e.kind));
  }

  void operator()(const log::Connection&) const {}

  void operator()(const log::AuthFailure& e) const {
    ++total.login_failures;
    s.login_clients_.add(client_name(e.host));
  }

  void operator()(const log::Notice& e) const {
    if (e.panic) ++total.panics;
  }

 private:
  TlsShare& share(const std::optional<log::Tls>& tls) const {
    std::string version = tls ? tls->version.substr(0, 20) : "";
    if (s.tls_.size() > 20 && !s.tls_.contains(version)) version = "other";
    TlsShare& out = s.tls_[version];
    out.version = version;
    return out;
  }
};

void Statistics::add(const history::Record& record) {
  std::int64_t hour = std::chrono::floor<std::chrono::hours>(record.time).time_since_epoch().count();
  if (volume_ == nullptr || hour != hour_) {
    if (hours_.size() >= most_hours && !hours_.contains(hour)) hours_.erase(hours_.begin());     // the oldest, of too many years
    volume_ = &hours_[hour];
    hour_ = hour;
  }
  ++counts_.lines;
  if (counts_.lines == 1 || record.time < counts_.from) counts_.from = record.time;
  if (counts_.lines == 1 || record.time > counts_.to) counts_.to = record.time;
  std::visit(Adder{*this, counts_, *volume_}, record.event);
}

std::vector<Slot> Statistics::slots(Time from, Time to, std::chrono::seconds step) const {
  std::vector<Slot> out;
  std::time_t begin = slot_begin(from, step), end = std::chrono::system_clock::to_time_t(to);
  auto hour = hours_.begin();
  while (hour != hours_.end() && hour->first * 3600 < begin) ++hour;
  while (begin < end || out.empty()) {
    std::time_t next = next_begin(begin, step);
    Slot slot;
    slot.begin = from_unix(begin);
    for (; hour != hours_.end() && hour->first * 3600 < next; ++hour) slot.volume.add(hour->second);
    out.push_back(slot);
    begin = next;
  }
  return out;
}

Report Statistics::finish(Time from, Time to, std::size_t most_slots, std::size_t tops) const {
  Report out = counts_;
  if (from != Time{}) out.from = from;
  if (to != Time{}) out.to = to;
  for (int hours : {1, 2, 3, 6, 24, 168, 4 * 168, 52 * 168}) {
    out.step = std::chrono::hours(hours);
    if (out.to - out.from < out.step * static_cast<std::int64_t>(most_slots - 1)) break;
  }
  bool exclusive = to != Time{};                       // else the last event lies at its end
  out.slots = slots(out.from, exclusive ? out.to : out.to + std::chrono::seconds(1), out.step);
  out.queue = times_of(queue_);
  out.delivery = times_of(delivery_);
  for (const auto& [version, share] : tls_) out.tls.push_back(share);
  for (auto [list, into] : {std::pair{&sender_domains_, &Report::sender_domains}, {&senders_, &Report::senders},
                            {&recipient_domains_, &Report::recipient_domains}, {&recipients_, &Report::recipients_top},
                            {&clients_, &Report::clients}, {&destinations_, &Report::destinations}, {&users_, &Report::users},
                            {&deferrals_, &Report::deferrals}, {&rejections_, &Report::rejections}, {&failures_, &Report::failures},
                            {&login_clients_, &Report::login_clients}, {&trouble_kinds_, &Report::trouble_kinds}}) {
    out.*into = list->best(tops);
  }
  return out;
}

}  // namespace mansio::report
