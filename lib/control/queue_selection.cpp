// Which messages of the queue a filter means, and the queue as numbers.
#include <algorithm>
#include <limits>
#include <mutex>

#include "control/describe.hpp"
#include "control/queue_tally.hpp"
#include "control/session.hpp"

namespace mansio::control {
Result<Selection> Session::selection() const {
  auto filter = request_.find("filter");
  return filter == request_.end() ? Selection() : Selection::parse(*filter);
}

// Who asks reads the first ones while the rest is looked for; the walk waits while nobody reads.
event::Task<> Session::queue_select() {
  auto wanted = selection();
  if (!wanted) {
    refuse(wanted.error().text());
    co_return;
  }
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  std::size_t limit = number_of("limit").value_or(all), in_full = number_of("in_full").value_or(all), told = 0;
  bool detail = flag_of("detail"), progress = flag_of("progress");
  Time now = std::chrono::system_clock::now();
  auto router = queue_.router();
  QueueWalk walk(queue_, std::move(*wanted), now);
  const std::function<void(QueueWalk::Bundle&)> write = [&](QueueWalk::Bundle& bundle) {
    for (const auto& found : bundle.found) {
      Json object = describe(found, now);
      describe_standing(found, object);
      if (detail) describe_detail(found, router->tables(), object);
      bundle.text += line_of(object);
    }
  };
  IdLines ids;
  while (told < limit) {
    bool more = co_await walk.next();
    if (!more) break;
    std::size_t left = std::min(limit, in_full) - std::min({told, limit, in_full});
    for (auto& bundle : walk.bundles()) {
      std::size_t room = limit - told, here = std::min(bundle.found.size(), room), full = std::min(here, left);
      for (std::size_t i = full; i < here; ++i) ids.add(bundle.found[i].message->id.text(), out_);
      bundle.found.erase(bundle.found.begin() + static_cast<std::ptrdiff_t>(full), bundle.found.end());
      told += here;
      left -= full;
    }
    if (told > 0) co_await walk.on_threads(&write);
    std::string full;
    for (auto& bundle : walk.bundles()) full += bundle.text;
    out_.insert(0, full);
    if (progress) {
      Json line;
      line["looked_at"] = walk.looked_at();
      say(line);
    }
    bool there = co_await send_gathered(1);
    if (!there) co_return;
  }
  ids.flush(out_);
  Json last;
  last["matched"] = told;
  last["complete"] = walk.complete();
  end(std::move(last));
}

event::Task<> Session::queue_summary() {
  auto wanted = selection();
  auto by = QueueTally::parse_by(text_of("by"));
  if (!wanted || !by) {
    refuse(!wanted ? wanted.error().text() : "by destination, recipient-domain or sender-domain");
    co_return;
  }
  Time now = std::chrono::system_clock::now();
  QueueWalk walk(queue_, std::move(*wanted), now);
  walk.sorted = false;
  QueueTally tally(*by);
  std::mutex joining;
  const std::function<void(QueueWalk::Bundle&)> count = [&](QueueWalk::Bundle& bundle) {
    QueueTally part(*by);
    for (const auto& found : bundle.found) part.add(found, now);
    std::lock_guard lock(joining);
    tally.add(part);
  };
  for (;;) {
    bool more = co_await walk.next();
    if (!more) break;
    co_await walk.on_threads(&count);
  }
  std::size_t messages = 0;
  for (const Json& object : tally.objects()) {
    if (object.contains("total")) messages = object.value("messages", std::size_t{0});
    say(object);
    bool there = co_await send_gathered(32768);
    if (!there) co_return;
  }
  Json last;
  last["messages"] = messages;
  last["minutes"] = QueueTally::minutes;
  last["complete"] = walk.complete();
  end(std::move(last));
}

}  // namespace mansio::control
