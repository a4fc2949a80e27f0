// The end of an attempt: what is settled, which reports are due, when the rest is tried again.
#include <fmt/format.h>

#include <algorithm>

#include "queue/attempt.hpp"
#include "queue/badmail.hpp"
#include "queue/schedule.hpp"

namespace mansio::queue {
namespace {

std::string host_text(const log::Host& host) {
  if (host.address.empty()) return host.name;
  if (host.port == 0) return host.address;
  std::string at = fmt::format("[{}]:{}", host.address, host.port);
  return host.name.empty() ? at : host.name + " " + at;
}

}  // namespace

Time Attempt::expiry() const {
  Time last = message_->envelope.received;
  for (const auto& rule : config_->retry) last = std::max(last, message_->envelope.received + rule.schedule.back().until);
  return last;
}

// The soonest next attempt that any waiting recipient's rule gives; nullopt: the last one's time is over.
std::optional<Time> Attempt::next_time() const {
  std::optional<Time> next;
  Time now = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < places_of_.size(); ++i) {
    if (message_->progress.recipients[i].settled()) continue;
    const config::RetryRule* rule = rule_for(config_->retry, message_->envelope.recipients[i].address.domain().key());
    auto time = rule != nullptr ? next_attempt(rule->schedule, message_->envelope.received, now) : std::optional<Time>(now + std::chrono::minutes(15));
    if (time && (!next || *time < *next)) next = time;
  }
  return next;
}

// One recipient that is not settled yet. The worst news that is not final decides: a recipient is given up only when
// nothing of it may still arrive.
void Attempt::judge(std::size_t i, Time now, Verdict& verdict) {
  auto& recipient = message_->progress.recipients[i];
  std::optional<Status> waiting, given_up;
  std::string waiting_host, final_host;
  auto take = [&](const Status& status, const std::string& host) {
    if (status.temporary()) waiting = status, waiting_host = host;
    else if (status.permanent()) given_up = status, final_host = host;
  };
  if (refused_[i]) take(*refused_[i], std::string());
  for (const Place* place : places_of_[i]) {
    if (place->parked) return;               // not tried: nothing is known yet
    take(place->status, place->ours ? std::string() : host_text(place->host));
  }
  if (!waiting && !given_up) waiting = Status(451, 3, 0, "the recipient leads nowhere at the moment");
  const config::RetryRule* rule = rule_for(config_->retry, message_->envelope.recipients[i].address.domain().key());
  bool expired = waiting && rule != nullptr && !next_attempt(rule->schedule, message_->envelope.received, now);
  if (expired) {
    // Our verdict, so not in the host's mouth; but it names who said the last word.
    std::string by = waiting_host.empty() ? std::string() : waiting_host + ": ";
    given_up = Status(550, 4, 7, "retry time exceeded; the last attempt said: " + by + waiting->line());
    final_host.clear();
    log_refusal(i, *given_up);
  }
  bool waits = waiting && !expired;
  recipient.last = waits ? *waiting : *given_up;
  recipient.host = waits ? waiting_host : final_host;
  auto& list = waits ? verdict.late : verdict.failed;
  list.emplace_back(i, waits ? mail::DsnAction::delayed : mail::DsnAction::failed, recipient.last);
  list.back().host = recipient.host;
}

event::Task<After> Attempt::conclude() {
  conclude_recipients();
  auto& progress = message_->progress;
  Time now = std::chrono::system_clock::now();
  Verdict verdict;
  bool moved = false;
  for (std::size_t i = 0; i < progress.recipients.size(); ++i) {
    if (delivered_now_[i]) {
      moved = true;
      bool expanded = places_of_[i].size() > 1;
      const Place* place = places_of_[i].front();
      bool remote = place->destination.kind == route::DestinationKind::remote;
      // A host that takes DSN requests over tells of success itself (RFC 3461 §5.2.1).
      if (remote && !expanded && !place->relayed_without_dsn) continue;
      // What speaks LMTP is the mailbox (RFC 2033 §1).
      bool relayed = remote && place->destination.transport->kind == config::TransportKind::smtp;
      auto action = expanded ? mail::DsnAction::expanded : relayed ? mail::DsnAction::relayed : mail::DsnAction::delivered;
      verdict.succeeded.emplace_back(i, action, place->status);
      verdict.succeeded.back().host = host_text(place->host);
    } else if (!progress.recipients[i].settled()) {
      judge(i, now, verdict);
    }
  }
  bool only_parked = verdict.late.empty() && verdict.failed.empty() && !progress.finished();
  if (!only_parked) ++progress.attempts;
  if (!verdict.succeeded.empty()) co_await report_success(std::move(verdict.succeeded));
  if (!verdict.failed.empty()) {
    std::vector<std::size_t> failed;
    for (const Reported& one : verdict.failed) failed.push_back(one.recipient);
    auto reported = co_await report_failures(std::move(verdict.failed));
    if (reported) {
      for (std::size_t i : failed) progress.recipients[i].state = spool::RecipientState::failed;
      moved = true;
    } else {
      // D-073: no report, no settling. The recipients stay, to be failed again when there is room.
      queue_.log.panic(fmt::format("{}: a bounce could not be queued: {}", message_->id.text(), reported.error().text()));
    }
  }
  if (progress.finished()) {
    auto after = co_await finish();
    co_return after;
  }
  if (only_parked) {
    if (moved) co_await keep_progress();
    After after;
    after.what = After::What::in_lane;
    after.lane = parked_in_;
    after.warned = progress.delay_warned;
    co_return after;
  }
  bool due = config_->delay_warning > Duration(0) && now - message_->envelope.received >= config_->delay_warning;   // 0: never
  if (due && !progress.delay_warned && !verdict.late.empty()) {
    progress.delay_warned = true;
    auto warned = co_await report(std::move(verdict.late), expiry());
    if (!warned) progress.delay_warned = false;
  }
  auto after = co_await wait();
  co_return after;
}

event::Task<After> Attempt::finish() {
  After after;
  std::string id = message_->id.text();
  Duration queue_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - message_->envelope.received);
  auto finished = co_await queue_.spool.finish(message_);
  // Recovery, which reads deferred/ meanwhile, may have found everybody settled and taken it away.
  if (!finished && finished.error().fault() != Fault::not_found) {
    queue_.log.panic(fmt::format("{}: the end could not be recorded: {}", id, finished.error().text()));
    after.what = After::What::waits;
    after.due = std::chrono::system_clock::now() + after_trouble;
    co_return after;
  }
  log::Completed completed;
  completed.id = id;
  completed.queue_time = queue_time;
  queue_.log.write(std::move(completed));
  co_return after;
}

// An admin's word: who still waits has failed.
event::Task<After> Attempt::give_up(Status why) {
  auto& progress = message_->progress;
  std::vector<Reported> failed;
  for (std::size_t i = 0; i < progress.recipients.size(); ++i) {
    if (progress.recipients[i].settled()) continue;
    log_refusal(i, why);
    failed.emplace_back(i, mail::DsnAction::failed, why);
  }
  auto reported = co_await report_failures(failed);
  if (!reported) {
    queue_.log.panic(fmt::format("{}: a bounce could not be queued: {}", message_->id.text(), reported.error().text()));
    After after;
    after.what = After::What::waits;
    after.due = std::max(progress.next_attempt, std::chrono::system_clock::now());
    co_return after;
  }
  for (const Reported& one : failed) {
    progress.recipients[one.recipient].state = spool::RecipientState::failed;
    progress.recipients[one.recipient].last = why;
  }
  auto after = co_await finish();
  co_return after;
}

// Does nothing but one site stand between this message and its end? What else waits keeps its own time.
bool Attempt::waits_for_site_alone() const {
  auto other = [](const auto& entry) {
    const Place& place = *entry.second;
    return !place.done && !place.status.permanent() && place.destination.kind != route::DestinationKind::remote;
  };
  auto unsure = [](const std::optional<Status>& refusal) { return refusal && refusal->temporary(); };
  return sites_.size() == 1 && std::ranges::none_of(places_, other) && std::ranges::none_of(refused_, unsure);
}

// Into deferred/, until the schedule's next time or until its destination can be reached again.
event::Task<After> Attempt::wait() {
  auto& progress = message_->progress;
  Time now = std::chrono::system_clock::now();
  auto next = next_time();
  progress.next_attempt = next ? *next : now + after_trouble;
  message_->repeated = true;
  After after;
  after.what = After::What::waits;
  auto kept = co_await queue_.spool.defer(message_);
  if (!kept) {
    queue_.log.panic(fmt::format("{}: could not be moved to deferred/: {}", message_->id.text(), kept.error().text()));
    after.due = now + after_trouble;
    co_return after;
  }
  after.due = progress.next_attempt;
  after.warned = progress.delay_warned;
  if (waits_for_site_alone()) after.lane = unreachable_ != 0 ? unreachable_ : parked_in_;
  if (after.lane != 0 && queue_.closed_why(after.lane) != nullptr) after.what = After::What::in_lane;
  co_return after;
}

// ---- reports

event::Task<> Attempt::report_success(std::vector<Reported> succeeded) {
  auto reported = co_await report(std::move(succeeded), std::nullopt);
  if (!reported) queue_.log.panic(fmt::format("{}: a report of success could not be queued: {}", message_->id.text(), reported.error().text()));
}

// A message from <> has nobody to be returned to: what can't be delivered of it is kept for the postmaster.
event::Task<Result<>> Attempt::report_failures(std::vector<Reported> failed) {
  if (message_->envelope.sender) {
    auto reported = co_await report(std::move(failed), std::nullopt);
    co_return reported;
  }
  auto kept = co_await keep_as_badmail(std::move(failed));
  co_return kept;
}

event::Task<Result<>> Attempt::keep_as_badmail(std::vector<Reported> failed) {
  std::string reason;
  for (const Reported& one : failed) {
    reason += message_->envelope.recipients[one.recipient].address.text() + ": ";
    if (!one.host.empty()) reason += one.host + " said: ";
    reason += one.status.line() + "\n";
  }
  auto work = [&] { return keep_badmail(config_->bounces.badmail, *message_, reason); };
  auto kept = co_await queue_.blocking.run(work);
  if (!kept) co_return kept;
  log::Notice notice;
  notice.id = message_->id.text();
  notice.text = "can be neither delivered nor returned: kept in " + config_->bounces.badmail + "/" + notice.id + ".eml";
  queue_.log.write(std::move(notice));
  co_return Result<>();
}

event::Task<Result<>> Attempt::report(std::vector<Reported> recipients, std::optional<Time> expires) {
  auto due = reportable(*message_, recipients);
  if (due.empty()) co_return Result<>();
  std::uint64_t limit = config_->bounce_return_size.bytes();
  auto action = due.front().action;
  auto read = [&] { return read_original(*message_, limit, action); };
  auto original = co_await queue_.blocking.run(read);
  auto load = [&] { return load_templates(config_->bounces.templates); };
  auto templates = co_await queue_.blocking.run(load);
  for (const std::string& problem : templates.problems) queue_.log.panic(problem);
  spool::Writer writer = queue_.spool.new_message();
  Time now = std::chrono::system_clock::now();
  std::string message_id = fmt::format("{}@{}", writer.id().text(), config_->host_name);
  Report report = make_report(*message_, due, std::move(original), *config_, message_id, now, expires, templates.templates);
  auto written = co_await writer.append(report.content);
  if (!written) co_return written;
  auto stored = co_await writer.commit(std::move(report.envelope), std::string());
  if (!stored) co_return std::unexpected(stored.error());
  log::Arrival arrival;
  arrival.id = (*stored)->id.text();
  arrival.reply_to_id = message_->id.text();
  arrival.protocol = "local";
  arrival.size = (*stored)->size();
  for (const auto& recipient : (*stored)->envelope.recipients) arrival.recipients.push_back(recipient.address.text());
  queue_.log.write(std::move(arrival));
  queue_.accept(std::move(*stored));
  co_return Result<>();
}

}  // namespace mansio::queue
