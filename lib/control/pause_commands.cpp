// What is held up, by an admin, and until when.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "control/session.hpp"
#include "control/status.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t name_most = 4000, reason_most = 200;
constexpr std::size_t longest_pause = 10 * 365 * 86400;      // seconds


// A destination as listings have it, or as people write it.
std::string destination_name(std::string_view text) {
  constexpr std::string_view domain_word = "domain ";
  if (text.starts_with(domain_word)) text.remove_prefix(domain_word.size());
  auto domain = mail::Domain::parse(text);
  return to_lower(domain ? std::string_view(domain->key()) : text);
}

// "25" and ":25" are "*:25".
std::string listener_name(std::string_view text) {
  if (text.starts_with("unix:")) return std::string(text);
  if (parse_number(text)) return "*:" + std::string(text);
  return (text.starts_with(':') ? "*" : "") + std::string(text);
}

bool is_listener(const std::vector<Facts::Listener>& all, const std::string& name) {
  queue::PauseList probe;
  queue::Pause pause;
  pause.what = queue::Pause::What::listener;
  pause.name = name;
  probe.set(std::move(pause));
  return std::ranges::any_of(all, [&](const Facts::Listener& one) {
    event::Endpoint at;
    if (one.unix_path().empty()) {
      at.address = one.address;
      at.port = one.port;
    }
    return one.name() == name || probe.of_listener(at, one.unix_path()) != nullptr;
  });
}

}  // namespace

Session::Json pause_object(const queue::Pause& pause) {
  Session::Json out;
  out["what"] = queue::pause_name(pause.what);
  if (!pause.name.empty()) out["name"] = pause.name;
  if (pause.what == queue::Pause::What::accepting) out["local"] = pause.local;
  out["title"] = pause.title();
  out["since"] = unix_seconds(pause.since);
  if (pause.until) out["until"] = unix_seconds(*pause.until);
  out["by"] = pause.by;
  if (!pause.reason.empty()) out["reason"] = pause.reason;
  return out;
}

Result<queue::Pause> Session::asked_pause() const {
  queue::Pause pause;
  auto what = queue::pause_by_name(text_of("what"));
  if (!what) return fail(Fault::invalid, "say what: accepting, listener, outbound or destination");
  pause.what = *what;
  pause.name = text_of("name");
  bool listener = *what == queue::Pause::What::listener, destination = *what == queue::Pause::What::destination;
  if (listener || destination) {
    if (pause.name.empty()) return fail(Fault::invalid, fmt::format("say which {}", queue::pause_name(*what)));
    pause.name = listener ? listener_name(pause.name) : destination_name(pause.name);
  }
  if (!listener && !destination && !pause.name.empty()) return fail(Fault::invalid, fmt::format("{} takes no name", queue::pause_name(*what)));
  if (pause.name.size() > name_most || has_control(pause.name)) return fail(Fault::invalid, "that is no name");
  pause.local = *what == queue::Pause::What::accepting && flag_of("local");
  pause.reason = text_of("reason").substr(0, reason_most);
  pause.since = std::chrono::system_clock::now();
  if (auto seconds = number_of("seconds")) pause.until = pause.since + std::chrono::seconds(std::min(*seconds, longest_pause));
  pause.by = caller_.name();
  return pause;
}

event::Task<> Session::pause() {
  if (text_of("what").empty()) {
    for (const queue::Pause& one : queue_.pauses().all()) say(pause_object(one));
    Json last;
    last["count"] = queue_.pauses().all().size();
    end(std::move(last));
    co_return;
  }
  if (!caller_.admin) {          // readers see what is paused
    deny("control.admins");
    co_return;
  }
  auto asked = asked_pause();
  std::string problem = asked ? std::string() : asked.error().text();
  if (asked && asked->what == queue::Pause::What::listener && services_.facts) {
    std::vector<Facts::Listener> listeners = services_.facts().listeners;
    if (!is_listener(listeners, asked->name)) {
      problem = "no listener " + asked->name + "; there are:";
      for (const auto& one : listeners) problem += " " + one.name();
    }
  }
  if (!problem.empty()) {
    refuse(problem);
    co_return;
  }
  say(pause_object(*asked));
  auto kept = co_await queue_.pause(std::move(*asked));
  if (!kept) {
    out_.clear();
    refuse("it is paused, but that could not be written down and ends with the next restart: " + kept.error().text());
    co_return;
  }
  Json last;
  last["count"] = 1;
  end(std::move(last));
}

event::Task<> Session::resume() {
  std::optional<queue::Pause::What> what;
  std::string name, by = caller_.name();
  if (!flag_of("all")) {
    auto asked = asked_pause();
    if (!asked) {
      refuse(asked.error().text());
      co_return;
    }
    what = asked->what;
    name = asked->name;
  }
  auto ended = co_await queue_.resume(what, std::move(name), std::move(by));
  for (const queue::Pause& one : ended) say(pause_object(one));
  Json last;
  last["count"] = ended.size();
  end(std::move(last));
}

}  // namespace mansio::control
