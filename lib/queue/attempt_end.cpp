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

// By which rules a recipient waits: those of each place that it still leads to.
std::vector<WaitingRules> Attempt::rules_of(std::size_t i) const {
  std::vector<WaitingRules> out;
  for (const Place* place : places_of_[i]) {
    if (place->done || place->status.permanent()) continue;
    WaitingRules rules = waiting_rules(router_->tables(), place->destination.address.domain().key(), place->destination.route);
    if (std::ranges::find(out, rules) == out.end()) out.push_back(rules);
  }
  if (out.empty()) out.push_back(waiting_rules(router_->tables(), message_->envelope.recipients[i].address.domain().key(), {}));
  return out;
}

// For those who look at the queue: what they can't know without asking the routes.
void Attempt::keep_way(std::size_t i) {
  auto& recipient = message_->progress.recipients[i];
  recipient.route.clear();
  recipient.domain.clear();
  auto waiting = std::ranges::find_if(places_of_[i], [](const Place* place) { return !place->done && !place->status.permanent(); });
  if (waiting == places_of_[i].end()) return;
  const route::Destination& to = (*waiting)->destination;
  const route::Tables& tables = router_->tables();
  if (waiting_rules(tables, to.address.domain().key(), to.route) == waiting_rules(tables, message_->envelope.recipients[i].address.domain().key(), {})) return;
  recipient.route = to.route;
  recipient.domain = to.address.domain().key();
}

// The soonest next attempt that the rules of any waiting recipient give; nullopt: the last one's time is over.
std::optional<Time> Attempt::next_time() const {
  std::optional<Time> next;
  Time now = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < places_of_.size(); ++i) {
    if (message_->progress.recipients[i].settled()) continue;
    for (const WaitingRules& rules : rules_of(i)) {
      auto time = next_attempt(*rules.schedule, message_->envelope.received, now);
      if (time && (!next || *time < *next)) next = time;
    }
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
  auto rules = rules_of(i);
  const Time received = message_->envelope.received;
  auto over = [&](const WaitingRules& each) { return !next_attempt(*each.schedule, received, now); };
  bool broken = std::ranges::any_of(places_of_[i], [](const Place* place) { return place->broken; });
  bool expired = waiting && !broken && std::ranges::all_of(rules, over);
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
  if (!waits) return;
  for (const WaitingRules& each : rules) list.back().expires = std::max(list.back().expires.value_or(received), each.expires(received));
  keep_way(i);
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
  co_await warn(std::move(verdict.late));
  auto after = co_await wait();
  co_return after;
}

// Each sender is told once of each recipient, when the first of its rules says so.
event::Task<> Attempt::warn(std::vector<Reported> late) {
  auto& progress = message_->progress;
  Time now = std::chrono::system_clock::now();
  std::erase_if(late, [&](const Reported& one) {
    auto warns = [&](const WaitingRules& rules) { return rules.warns(message_->envelope.received, now); };
    return progress.recipients[one.recipient].warned || std::ranges::none_of(rules_of(one.recipient), warns);
  });
  std::vector<std::size_t> told;
  for (const Reported& one : late) told.push_back(one.recipient);
  if (!told.empty()) {
    auto warned = co_await report(std::move(late));
    if (!warned) told.clear();
  }
  for (std::size_t i : told) progress.recipients[i].warned = true;
  progress.delay_warned = std::ranges::all_of(progress.recipients, [](const auto& r) { return r.settled() || r.warned; });
}

event::Task<After> Attempt::finish() {
  After after;
  std::string id = message_->id.text();
  Duration queue_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - message_->envelope.received);
  auto finished = co_await queue_.spool.finish(message_);
  // Recovery, which reads deferred/ meanwhile, may have found everybody settled and taken it away.
  bool failed = !finished && finished.error().fault() != Fault::not_found;
  queue_.note_progress(*message_, !failed);
  if (failed) {
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
  queue_.note_progress(*message_, kept.has_value());
  if (!kept) {
    queue_.log.panic(fmt::format("{}: could not be moved to deferred/: {}", message_->id.text(), kept.error().text()));
    // What this attempt came to may still find room where the message is: in the journal, or in a file that is written anew.
    auto settled = co_await queue_.spool.settle(message_);
    if (settled) queue_.note_progress(*message_, true);
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
  auto reported = co_await report(std::move(succeeded));
  if (!reported) queue_.log.panic(fmt::format("{}: a report of success could not be queued: {}", message_->id.text(), reported.error().text()));
}

// A message from <> has nobody to be returned to: what can't be delivered of it is kept for the postmaster.
event::Task<Result<>> Attempt::report_failures(std::vector<Reported> failed) {
  if (message_->envelope.sender) {
    auto reported = co_await report(std::move(failed));
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
  // Those that failed at an earlier attempt, too: the files are written anew each time.
  mail::Envelope rest = message_->envelope;
  rest.recipients.clear();
  for (std::size_t i = 0; i < message_->envelope.recipients.size(); ++i) {
    const spool::RecipientProgress& known = message_->progress.recipients[i];
    bool now = std::ranges::any_of(failed, [&](const Reported& one) { return one.recipient == i; });
    if (!now && known.state != spool::RecipientState::failed) continue;
    rest.recipients.push_back(message_->envelope.recipients[i]);
    if (!now) reason += message_->envelope.recipients[i].address.text() + ": " + known.last.line() + "\n";
  }
  auto work = [&] { return keep_badmail(config_->bounces.badmail, *message_, rest, reason); };
  auto kept = co_await queue_.blocking.run(work);
  if (!kept) co_return kept;
  log::Notice notice;
  notice.id = message_->id.text();
  notice.text = "can be neither delivered nor returned: kept in " + config_->bounces.badmail + "/" + notice.id + ".eml";
  queue_.log.write(std::move(notice));
  co_return Result<>();
}

event::Task<Result<>> Attempt::report(std::vector<Reported> recipients) {
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
  Report report = make_report(*message_, due, std::move(original), *config_, message_id, now, templates.templates);
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
