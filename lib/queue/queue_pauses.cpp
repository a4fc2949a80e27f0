// What an admin has paused (pauses.hpp), kept over a restart, and what that means for attempts. Mail for what is paused
// stands in a lane that is held: it was not tried, so no schedule runs out and nobody is warned. What an admin does is in
// the file and in the log before it is answered.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {

constexpr std::size_t pause_file_limit = 4u << 20;       // octets
constexpr Duration longest_sleep{60'000};                // the wall clock may jump
constexpr const char* paused_lane = "paused";            // messages for several destinations, one of them paused

}  // namespace

void Queue::remember_pauses(std::string path) {
  pause_file_ = std::move(path);
  auto text = read_file(pause_file_, pause_file_limit);
  if (!text) return;
  auto parsed = parse_pauses(*text);
  if (parsed.damaged) log.panic(pause_file_ + " makes no sense: nothing is paused");
  for (Pause& pause : parsed.pauses) {
    log.notice(fmt::format("paused since before the start: {} (by {})", pause.title(), pause.by));
    pauses_.set(std::move(pause));
  }
  if (pauses_.next_expiry()) watch_pauses();
}

void Queue::read_pauses(const std::string& path) {
  remember_pauses(path);
  pause_file_.clear();
}

// What is no longer paused goes on; what is still paused is parked again when its turn comes.
void Queue::take_pauses(std::vector<Pause> all) {
  if (format_pauses(all) == format_pauses(pauses_.all())) return;
  (void)pauses_.take_all();
  for (Pause& pause : all) pauses_.set(std::move(pause));
  watch_pauses();
  lanes_.release_all();
  pump();
}

Status Queue::turned_away(bool local_program, const event::Endpoint& local, std::string_view unix_path) const {
  const Pause* pause = local_program ? pauses_.of_local_programs() : pauses_.of_listener(local, unix_path);
  if (pause == nullptr) return Status();
  return Status(421, 3, 2, "this server does not accept mail at the moment, try again later");
}

// Never null for what is paused. `site`: its key, "" while it isn't known.
const Pause* Queue::paused(const config::Transport& transport, std::string_view domain, std::string_view site) const {
  if (pauses_.empty()) return nullptr;
  // What speaks LMTP is the mailbox (RFC 2033 §1).
  if (const Pause* all = pauses_.of_outbound(); all != nullptr && transport.kind == config::TransportKind::smtp) return all;
  if (const Pause* one = pauses_.of_domain(domain)) return one;
  return site.empty() ? nullptr : pauses_.of_site(site);
}

LaneKey Queue::hold_lane(std::optional<LaneKey> domain_lane, const Pause& pause, LaneKey site) {
  static const LaneKey several_lane = lane_key(paused_lane);
  // By its domain alone: others of its site go on.
  bool of_domain = pause.what == Pause::What::destination && site == 0;
  LaneKey lane = site;
  if (site == 0 && domain_lane) lane = of_domain ? *domain_lane : lanes_.resolve(*domain_lane);
  LaneOptions options;
  if (lane != 0) {
    lanes_.hold(lane, {}, options);
    return lane;
  }
  options.adapts = false;
  options.window = options.window_limit = 100;
  lanes_.hold(several_lane, paused_lane, options);
  return several_lane;
}

event::Task<Result<>> Queue::pause(Pause pause) {
  std::string text = fmt::format("paused by {}: {}", pause.by, pause.title());
  if (pause.until) text += fmt::format(", for {} s", std::chrono::duration_cast<std::chrono::seconds>(*pause.until - pause.since).count());
  if (!pause.reason.empty()) text += ": " + pause.reason;
  if (!pauses_.set(std::move(pause))) co_return fail(Fault::full, "too much is paused already");
  log.notice(std::move(text));
  watch_pauses();
  auto kept = co_await keep_pauses();
  co_return kept;
}

event::Task<Result<>> Queue::resumed(std::vector<Pause> pauses, std::string by) {
  for (const Pause& pause : pauses) {
    std::string text = fmt::format("resumed{}: {}", by.empty() ? ", for its time is over" : " by " + by, pause.title());
    log.notice(std::move(text));
  }
  lanes_.release_all();
  pump();
  auto kept = co_await keep_pauses();
  co_return kept;
}

event::Task<std::vector<Pause>> Queue::resume(std::optional<Pause::What> what, std::string name, std::string by) {
  std::vector<Pause> ended;
  if (!what) ended = pauses_.take_all();
  else if (auto one = pauses_.take(*what, name)) ended.push_back(std::move(*one));
  if (ended.empty()) co_return ended;
  std::vector<Pause> told = ended;
  auto kept = co_await resumed(std::move(told), std::move(by));
  if (!kept) log.panic("what is paused could not be written down: " + kept.error().text());
  co_return ended;
}

// The thread takes one after the other, so the last text is the newest.
event::Task<Result<>> Queue::keep_pauses() {
  if (pause_file_.empty()) co_return Result<>();
  std::string text = format_pauses(pauses_.all()), path = pause_file_;
  auto work = [&] {
    auto written = replace_file(path, text, 0640);
    log.flush();
    return written;
  };
  auto kept = co_await blocking.run(work);
  co_return kept;
}

void Queue::watch_pauses() {
  if (watching_pauses_) pause_timer_.wake();
  else if (!stopping_) scope_.spawn(end_pauses());
}

// Those that end by themselves.
event::Task<> Queue::end_pauses() {
  watching_pauses_ = true;
  for (auto next = pauses_.next_expiry(); next && !stopping_; next = pauses_.next_expiry()) {
    auto left = std::chrono::ceil<Duration>(*next - std::chrono::system_clock::now());
    co_await pause_timer_.sleep(std::clamp(left, Duration(1), longest_sleep));
    auto over = pauses_.take_expired(std::chrono::system_clock::now());
    if (over.empty() || stopping_) continue;
    std::string nobody;
    auto kept = co_await resumed(std::move(over), std::move(nobody));
    if (!kept) log.panic("what is paused could not be written down: " + kept.error().text());
  }
  watching_pauses_ = false;
}

// ---- an attempt

// Takes the places of a job that may not be delivered to now out of it: they are parked.
void Attempt::park_paused(SiteJob* job) {
  auto is_paused = [&](Place* place) {
    const std::string& domain = place->destination.address.domain().key();
    const Pause* pause = queue_.paused(*job->transport, domain, {});
    bool by_site = pause == nullptr && job->lane != 0;
    if (by_site) pause = queue_.paused(*job->transport, domain, job->site.key);
    if (pause == nullptr) return false;
    place->parked = true;
    parked_in_ = queue_.hold_lane(queue_.domain_lane(*message_), *pause, by_site ? job->lane : 0);
    return true;
  };
  std::erase_if(job->places, is_paused);
}

}  // namespace mansio::queue
