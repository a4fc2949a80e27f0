// One conversation, or all with a client or a destination, followed while they go on.
#include <fmt/format.h>

#include <algorithm>

#include "base/unix_time.hpp"
#include "control/follower.hpp"
#include "control/session.hpp"
#include "receive/receiver.hpp"

namespace mansio::control {
namespace {

constexpr Duration trace_step{100};                                  // how often what was heard is handed on
constexpr Duration slow_reader_time{std::chrono::hours(24)};         // it holds nobody up
constexpr std::uint64_t no_limit = 0;

}  // namespace

event::Task<> Session::trace() {
  std::string target = text_of("target");
  if (target.empty()) {
    refuse("say which session, client or destination is to be followed");
    co_return;
  }
  Follower follower(services_.tracing, target);
  std::uint64_t conversations = number_of("conversations").value_or(0), seconds = number_of("seconds").value_or(0);
  if (conversations != no_limit) follower.at_most(conversations);
  if (services_.receiver != nullptr) services_.receiver->show_to_tracing();
  queue_.remote.show_to_tracing();
  if (follower.is_session() && follower.followed() == 0) {
    refuse("no session " + target);
    co_return;
  }
  Json first;
  first["following"] = target;
  first["now"] = follower.followed();
  say(first);
  co_await send_gathered(0);
  auto over = seconds != no_limit ? event::Deadline::in(std::chrono::seconds(std::min<std::size_t>(seconds, latest_second))) : event::Deadline::never();
  event::Timer timer(queue_.loop);
  bool last = false;
  while (!gone_ && !last) {
    // What it said last is told, too.
    bool all_ended = follower.ended() > 0 && (follower.is_session() || (conversations != no_limit && follower.ended() >= conversations));
    last = over.passed() || all_ended;
    std::string heard = follower.take();
    if (!heard.empty()) {
      auto sent = co_await stream_.write(heard, event::Deadline::in(slow_reader_time));
      gone_ = !sent;
    } else if (!last) {
      gone_ = !stream_.quiet();
      if (!gone_) co_await timer.sleep(trace_step);
    }
  }
  Json end_of_it;
  end_of_it["conversations"] = follower.ended();
  end(std::move(end_of_it));
}

}  // namespace mansio::control
