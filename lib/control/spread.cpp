// Commands that several mail processes answer as one (peers.hpp): the column `together` of the table in session.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "control/session.hpp"
#include "control/status_sum.hpp"
#include "metrics/page_sum.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t passed_on_at = 32768;
constexpr Duration reload_step{50};

}  // namespace

// The request as another process gets it: it asks for whom we know.
Session::Json Session::question() const {
  Json out = request_;
  Json who;
  who["user"] = caller_.user;
  who["uid"] = caller_.uid;
  who["admin"] = caller_.admin;
  who["reader"] = caller_.reader;
  out["as"] = std::move(who);
  return out;
}

// Nobody is named in what the process asks for itself.
Caller Session::named_caller() const {
  auto who = request_.is_object() && request_.contains("as") ? request_["as"] : Json();
  if (!who.is_object()) return caller_;
  auto flag = [&](const char* key) { return who.contains(key) && who[key].is_boolean() && who[key].get<bool>(); };
  Caller out;
  if (who.contains("user") && who["user"].is_string()) out.user = who["user"].get<std::string>();
  if (who.contains("uid") && who["uid"].is_number_unsigned()) out.uid = who["uid"].get<unsigned>();
  out.admin = flag("admin");
  out.reader = out.admin || flag("reader");
  return out;
}

void Session::end_refused(const Json& refusal) {
  out_.clear();
  say(refusal);
}

// A line of one process, as the whole server says it.
void Session::pass_line(const std::string& line, std::uint64_t* looked_at, std::uint64_t looked_before) {
  constexpr std::string_view progress = "{\"looked_at\":";
  if (!line.starts_with(progress)) {
    out_ += line + '\n';
    return;
  }
  Json object = Json::parse(line, nullptr, false);
  if (!object.is_object() || !object["looked_at"].is_number_unsigned()) return;
  *looked_at = looked_before + object["looked_at"].get<std::uint64_t>();
  object["looked_at"] = *looked_at;
  say(object);
}

// One process after the other.
event::Task<> Session::chained() {
  LastLines lasts;
  std::uint64_t looked_at = 0;
  Json asked = question();
  for (unsigned number = 0; number < services_.peers->count(); ++number) {
    PeerAnswer answer(*services_.peers, number, asked);
    std::uint64_t before = looked_at;
    for (;;) {
      bool more = co_await answer.next();
      if (!more) break;
      pass_line(answer.line(), &looked_at, before);
      bool there = co_await send_gathered(passed_on_at);
      if (!there) co_return;
    }
    if (answer.refused()) {
      end_refused(answer.last());
      co_return;
    }
    lasts.add(number, answer.last());
  }
  Json last = lasts.object();
  end(std::move(last));
}

event::Task<> Session::status_of_all() {
  Json asked = question();
  auto lasts = co_await services_.peers->ask_all(std::move(asked), nullptr);
  Json out = sum_status(lasts);
  end(std::move(out));
}

event::Task<std::string> metrics_of_all(Peers* peers, metrics::PageSum* sum) {
  nlohmann::json asked;
  asked["command"] = "metrics";
  auto lasts = co_await peers->ask_all(std::move(asked), nullptr);
  std::vector<std::string> pages;
  for (const nlohmann::json& last : lasts) {
    auto text = last.is_object() ? last.find("text") : last.end();
    bool there = last.is_object() && text != last.end() && text->is_string();
    bool ended = last.is_object() && last.empty();
    pages.push_back(there ? text->get<std::string>() : ended ? "\n" : "");
  }
  std::string out = sum->text(pages);
  co_return out;
}

event::Task<> Session::metrics_together() {
  std::string text = co_await metrics_of_all(services_.peers.get(), services_.page_sum.get());
  Json answer;
  answer["text"] = std::move(text);
  end(std::move(answer));
}

// This process alone, as it would answer without the others: its lines, and its last one, null when it refused.
event::Task<Session::Json> Session::own_answer() {
  PeerAnswer answer(*services_.peers, services_.peers->own(), question());
  for (;;) {
    bool more = co_await answer.next();
    if (!more) break;
    out_ += answer.line() + '\n';
  }
  Json last = answer.last();
  if (!answer.refused() && last.is_object()) co_return last;
  if (answer.refused()) end_refused(last);
  else refuse("the daemon does not answer");
  co_return Json();
}

event::Task<> Session::pause_all() {
  if (request_.is_object() && text_of("command") == "pause" && text_of("what").empty()) {
    co_await pause();          // lists
    co_return;
  }
  Json last = co_await own_answer();
  if (last.is_null()) co_return;
  auto without = co_await services_.keeper->tell();
  LastLines sum;
  sum.add(services_.peers->own(), last);
  for (unsigned number : without) sum.add_missing(number);
  Json out = sum.object();
  end(std::move(out));
}

// What the first process has paused is paused here.
event::Task<> Session::take_pauses() {
  auto stamp = number_of("stamp").value_or(0);
  if (!from_peer_) {
    refuse("unknown command");
    co_return;
  }
  if (stamp >= services_.pauses_stamp) {
    services_.pauses_stamp = stamp;
    queue_.take_pauses(queue::parse_pauses(text_of("text")).pauses);
  }
  end(Json::object());
}

// The parent gives the configuration to all; the answer waits until all use it.
event::Task<> Session::reload_all() {
  Json last = co_await own_answer();
  if (last.is_null()) co_return;
  LastLines sum;
  sum.add(services_.peers->own(), last);
  if (auto done = last.find("done"); done != last.end() && *done == true) {
    auto without = co_await others_with_another_configuration();
    for (unsigned number : without) sum.add_missing(number);
  }
  Json out = sum.object();
  end(std::move(out));
}

event::Task<std::vector<unsigned>> Session::others_with_another_configuration() {
  auto over = event::Deadline::in(Duration(10'000));
  event::Timer timer(queue_.loop);
  std::vector<unsigned> out;
  for (;;) {
    Json asked;
    asked["command"] = "ping";
    auto lasts = co_await services_.peers->ask_all(std::move(asked), nullptr);
    out.clear();
    bool later = false;
    for (unsigned number = 0; number < lasts.size(); ++number) {
      const Json& last = lasts[number];
      if (last.is_object() && (last.empty() || last.value("fingerprint", "") == queue_.config()->fingerprint)) continue;
      out.push_back(number);
      later = later || last.is_object();       // who is down reads the configuration when it starts
    }
    if (!later || over.passed() || gone_) co_return out;
    co_await timer.sleep(reload_step);
  }
}

// Each reads the tables for itself, and finds the same in them.
event::Task<> Session::reload_tables_of_all() {
  std::vector<std::string> lines;
  const Peers::Each each = [&](unsigned, const std::string& line) {
    if (std::ranges::find(lines, line) == lines.end()) lines.push_back(line);
  };
  Json asked = question();
  auto lasts = co_await services_.peers->ask_all(std::move(asked), &each);
  LastLines sum;
  unsigned own = services_.peers->own();
  sum.add(own, lasts[own]);
  for (unsigned number = 0; number < lasts.size(); ++number) {
    if (number != own && !lasts[number].is_object()) sum.add_missing(number);
  }
  for (const auto& line : lines) out_ += line + '\n';
  Json last = sum.object();
  end(std::move(last));
}

event::Task<> Session::ping() {
  Json out;
  if (from_peer_) out["fingerprint"] = queue_.config()->fingerprint;
  end(std::move(out));
  co_return;
}

}  // namespace mansio::control
