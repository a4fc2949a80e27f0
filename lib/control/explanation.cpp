#include "control/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/unix_time.hpp"
#include "config/places.hpp"
#include "config/retry.hpp"
#include "control/describe.hpp"
#include "control/status.hpp"
#include "queue/schedule.hpp"

namespace mansio::control {
namespace {

const char* word_of(route::DestinationKind kind) {
  using Kind = route::DestinationKind;
  switch (kind) {
    case Kind::mailbox: return "mailbox";
    case Kind::program: return "program";
    case Kind::file: return "file";
    case Kind::drop: return "drop";
    case Kind::remote: return "remote";
    case Kind::discard: return "discard";
  }
  return "";
}

std::string word_of(config::TransportKind kind) {
  constexpr const char* words[] = {"maildir", "mbox", "pipe", "smtp", "lmtp", "drop"};
  return words[static_cast<std::size_t>(kind)];
}

}  // namespace

nlohmann::json describe_status(const Status& status) {
  nlohmann::json out;
  out["code"] = status.code();
  out["enhanced"] = status.enhanced_text();
  out["text"] = status.text();
  out["line"] = status.line();
  return out;
}

Explanation::Explanation(Services& services)
    : services_(services), queue_(services.queue), config_(queue_.config()), router_(queue_.router()), sites_(Json::array()) {}

std::string Explanation::place_of(std::string_view setting) const { return config::place_of(*config_, setting); }

Explanation::Json Explanation::describe(const route::Step& step) const {
  Json out;
  out["kind"] = route::word_of(step.kind);
  out["parent"] = step.parent == route::Step::none ? Json() : Json(step.parent);
  out["text"] = step.text;
  out["place"] = step.place;
  if (step.index != route::Step::none) out["index"] = step.index;
  return out;
}

Explanation::Json Explanation::describe(const route::Destination& destination) const {
  Json out;
  out["kind"] = word_of(destination.kind);
  out["address"] = destination.address.text();
  out["route"] = destination.route;
  out["route_place"] = "";
  auto route = std::ranges::find(config_->routes, destination.route, &config::Route::name);
  if (destination.route != "aliases" && route != config_->routes.end()) {
    out["route_place"] = place_of(fmt::format("routes[{}]", route - config_->routes.begin()));
  }
  if (destination.transport) {
    out["transport"] = destination.transport->name;
    out["transport_kind"] = word_of(destination.transport->kind);
    out["transport_place"] = place_of("transports." + destination.transport->name);
  }
  if (destination.kind == route::DestinationKind::remote || destination.kind == route::DestinationKind::discard) return out;
  out["path"] = destination.path;
  if (!destination.command.empty()) out["command"] = destination.command;
  out["user"] = destination.user;
  out["uid"] = destination.uid;
  out["gid"] = destination.gid;
  return out;
}

// By which rules it waits, and what these come to for a message that arrived at `arrived`. `domain`: of who leads nowhere.
Explanation::Json Explanation::retry(const mail::Domain& domain, Time arrived, Time now) const {
  constexpr int most_times = 6;
  auto rules = queue::waiting_rules(router_->tables(), waits_for_.empty() ? domain.key() : waits_for_, waits_by_);
  Json out = describe_waiting(rules, *config_, arrived);
  Json times = Json::array();
  std::optional<Time> at = now;
  for (int i = 0; i < most_times; ++i) {
    at = queue::next_attempt(*rules.schedule, arrived, *at);
    if (!at) break;
    times.push_back(unix_seconds(*at));
  }
  out["times"] = std::move(times);
  return out;
}

event::Task<Explanation::Json> Explanation::plan(mail::Address address, std::string sender, std::string transport) {
  std::vector<route::Step> steps;
  std::string sender_again = sender;
  auto resolution = co_await router_->explain(std::move(address), std::move(sender), &steps);
  Json out;
  out["steps"] = out["destinations"] = out["refusals"] = Json::array();
  Status worst;
  auto note = [&](const Status& status) {
    if (!status.ok() && !worst.permanent()) worst = status;
  };
  for (const route::Step& step : steps) {
    if (out["steps"].size() < most_places_shown * 4) out["steps"].push_back(describe(step));
  }
  waits_for_ = resolution.destinations.empty() ? std::string() : resolution.destinations.front().address.domain().key();
  waits_by_ = resolution.destinations.empty() ? std::string() : resolution.destinations.front().route;
  for (route::Destination& destination : resolution.destinations) {
    if (out["destinations"].size() == most_places_shown) break;
    bool remote = destination.kind == route::DestinationKind::remote;
    const config::Transport* other = remote && !transport.empty() ? config_->transport(transport) : nullptr;
    if (other != nullptr) destination.transport = std::shared_ptr<const config::Transport>(config_, other);
    Json one = describe(destination);
    auto rules = queue::waiting_rules(router_->tables(), destination.address.domain().key(), destination.route);
    one["schedule"] = config::format_schedule(*rules.schedule);
    one["schedule_place"] = place_of(rules.schedule_setting());
    if (other != nullptr) one["rerouted"] = true;
    std::optional<std::size_t> index;
    if (remote) index = co_await site(&destination, &sender_again);
    if (index) {
      one["site"] = *index;
      const Json& known = sites_[*index];
      const Json& status = known["status"];
      bool held_up = known["state"]["state"] == "closed" || known["state"].contains("paused");
      if (status["code"].get<int>() / 100 != 2) note(Status(status["code"].get<int>(), status["text"].get<std::string>()));
      else if (held_up) note(Status(451, 4, 1, "the destination can't be reached now"));
    }
    out["destinations"].push_back(std::move(one));
  }
  for (const route::Refusal& refusal : resolution.refusals) {
    note(refusal.status);
    if (out["refusals"].size() == most_places_shown) continue;
    Json one;
    one["address"] = refusal.address.text();
    one["status"] = describe_status(refusal.status);
    out["refusals"].push_back(std::move(one));
  }
  out["destinations_count"] = resolution.destinations.size();
  out["outcome"] = worst.ok() ? "ok" : worst.permanent() ? "failed" : "deferred";
  co_return out;
}

event::Task<Explanation::Json> Explanation::address(Question question) {
  Json out;
  out["address"] = question.address;
  out["from"] = question.sender;
  out["now"] = unix_seconds(std::chrono::system_clock::now());
  auto refuse = [&](const char* what, const Error& error) {
    out["rcpt"]["accepted"] = false;
    out["rcpt"]["rule"] = what;
    out["rcpt"]["status"] = describe_status(Status(553, 1, std::string_view(what) == "sender" ? 7 : 3, error.text()));    // RFC 3463 §3.2
    out["outcome"] = "failed";
  };
  std::optional<mail::Address> address = router_->postmaster();       // RFC 5321 §4.5.1
  if (!iequals(question.address, "postmaster")) {
    auto parsed = mail::Address::parse(question.address);
    if (!parsed) {
      refuse("syntax", parsed.error());
      co_return out;
    }
    address = std::move(*parsed);
  }
  if (!question.sender.empty()) {
    auto parsed = mail::Address::parse(question.sender);
    if (!parsed) {
      refuse("sender", parsed.error());
      co_return out;
    }
  }
  mail::Address target = *address, again = *address;
  std::string sender = question.sender, no_transport;
  Json plan = co_await this->plan(std::move(target), std::move(sender), std::move(no_transport));
  Json verdict = co_await this->verdict(std::move(again), &question, &plan);
  out["outcome"] = verdict["accepted"].get<bool>() ? plan["outcome"] : verdict["status"]["code"].get<int>() / 100 == 4 ? Json("deferred") : Json("failed");
  plan.erase("outcome");
  const auto& pauses = queue_.pauses().all();
  auto accepting = std::ranges::find(pauses, queue::Pause::What::accepting, &queue::Pause::what);
  if (accepting != pauses.end()) {
    verdict["paused"] = pause_object(*accepting);
    if (out["outcome"] == "ok") out["outcome"] = "deferred";
  }
  out.update(plan);
  out["rcpt"] = std::move(verdict);
  out["sites"] = sites_;
  Time now = std::chrono::system_clock::now();
  out["retry"] = retry(address->domain(), now, now);
  co_return out;
}

}  // namespace mansio::control
