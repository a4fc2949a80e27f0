// The queue's side of sites: deliveries come in and go out, closed sites are remembered over a restart.
#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"
#include "queue/queue.hpp"
#include "queue/schedule.hpp"
#include "queue/site_file.hpp"
#include "queue/waiting_rules.hpp"

namespace mansio::queue {

event::Task<Lanes::Admission> Queue::enter(LaneKey site, std::string name, std::uint32_t most, Lanes::Started* from, bool patient) {
  constexpr std::size_t patient_limit = 1000;
  for (;;) {
    LaneOptions options;
    options.window_limit = most;
    auto admission = lanes_.enter(site, name, options, *from, from->entry.forced, std::chrono::system_clock::now());
    if (admission != Lanes::Admission::full || !patient || patient_count_ >= patient_limit || stopping_) co_return admission;
    struct Wait {
      std::deque<std::coroutine_handle<>>* line;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> h) const { line->push_back(h); }
      void await_resume() const noexcept {}
    };
    // Who waits here takes no part of the attempts at once: others go on.
    ++patient_count_;
    vacate(*from);
    pump();
    Wait wait{&patient_[site]};
    co_await wait;
    occupy(*from);
    --patient_count_;
  }
}

void Queue::leave(LaneKey site, Lanes::Visit visit, const Status& why, const route::Destination& first) {
  Time now = std::chrono::system_clock::now();
  auto pause = [&](Duration outage) {
    return site_pause(*waiting_rules(router_->tables(), first.address.domain().key(), first.route).schedule, now - outage, now);
  };
  bool was_closed = lanes_.is_closed(site);
  lanes_.leave(site, visit, why, now, pause);
  bool closed = lanes_.closed_why(site, now) != nullptr;
  if (visit == Lanes::Visit::unreachable) {
    sites_changed();
    if (closed) look_at_overdue(site, first);
    watch();
  } else if (was_closed && !lanes_.is_closed(site)) {
    sites_changed();
  }
  auto line = patient_.find(site);
  if (line != patient_.end()) {
    std::deque<std::coroutine_handle<>> wake;
    if (closed) {
      wake.swap(line->second);
    } else {
      // The place that became free, and the one by which success widens the window.
      for (int i = 0; i < 2 && !line->second.empty(); ++i) {
        wake.push_back(line->second.front());
        line->second.pop_front();
      }
    }
    if (line->second.empty()) patient_.erase(line);
    for (auto handle : wake) handle.resume();
  }
  pump();
}

void Queue::site_known(LaneKey from, LaneKey site) {
  if (lanes_.resolve(from) != site) lanes_.redirect(from, site);
}

const Status* Queue::closed_why(LaneKey site) const { return lanes_.closed_why(site, std::chrono::system_clock::now()); }

// The probe of a closed site was the fresh attempt of every message that waits for it: those whose time is over, and those
// whose senders are to be told, are looked at.
// Routes may lead to one site by rules of their own: the shortest of them decides which are looked at.
void Queue::look_at_overdue(LaneKey site, const route::Destination& first) {
  Time now = std::chrono::system_clock::now();
  const route::Tables& tables = router_->tables();
  const std::string domain = first.address.domain().key();
  WaitingRules rules = waiting_rules(tables, domain, first.route);
  Duration until = rules.schedule->back().until, warning = rules.delay_warning;
  for (const config::Route& route : tables.config->routes) {
    bool leads_there = first.transport != nullptr && route.transport == first.transport->name;
    if (!leads_there || (route.retry.empty() && !route.delay_warning)) continue;
    WaitingRules other = waiting_rules(tables, domain, route.name);
    until = std::min(until, other.schedule->back().until);
    if (other.delay_warning > Duration(0) && (warning <= Duration(0) || other.delay_warning < warning)) warning = other.delay_warning;
  }
  auto add = [&](const std::vector<LaneEntry>& entries) {
    for (const LaneEntry& entry : entries) {
      Lanes::Started started;
      started.entry = entry;
      started.seated = false;
      overdue_.push_back(started);
    }
  };
  add(lanes_.overdue(site, now - until, true));
  if (warning > Duration(0)) add(lanes_.overdue(site, now - warning, false));
}

// ---- over a restart

void Queue::remember_sites(std::string path) {
  site_file_ = std::move(path);
  auto text = read_file(site_file_, site_file_limit);
  if (!text) return;                 // the first start, or lost: each site costs a probe
  auto parsed = parse_sites(*text);
  if (parsed.dropped > 0) log.notice(fmt::format("{}: {} lines make no sense and are passed over", site_file_, parsed.dropped));
  Time latest = std::chrono::system_clock::now() + std::chrono::hours(1);      // as site_pause() does; the clock may have been ahead
  for (Lanes::Site site : parsed.sites) {
    site.closed_until = std::min(site.closed_until, latest);
    lanes_.restore(site);
  }
}

void Queue::sites_changed() {
  sites_dirty_ = true;
  if (saving_ || stopping_ || site_file_.empty()) return;
  saving_ = true;
  scope_.spawn(save_sites());
}

// Some time after a change, for all changes until then.
event::Task<> Queue::save_sites() {
  constexpr Duration delay{500};
  while (sites_dirty_) {
    co_await save_timer_.sleep(delay);
    sites_dirty_ = false;
    std::string text = format_sites(lanes_.sites(true));
    auto work = [&] { return replace_file(site_file_, text, 0640); };
    auto saved = co_await blocking.run(work);
    if (!saved) log.panic("destinations that are out of reach could not be written down: " + saved.error().text());
    if (stopping_) break;
  }
  saving_ = false;
}

}  // namespace mansio::queue
