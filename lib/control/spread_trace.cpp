// A trace of several mail processes: what each hears, as it comes. Numbers of sessions tell whose they are.
#include <deque>
#include <unordered_set>

#include "base/text.hpp"
#include "control/follower.hpp"
#include "control/session.hpp"
#include "smtp/conversation.hpp"

namespace mansio::control {
namespace {

constexpr Duration together_step{100};
constexpr Duration together_reader_time{std::chrono::hours(24)};
constexpr std::size_t most_heard = 1000;

// What all of them heard and nobody has read yet. At most `limit` conversations (0: all) are followed in all.
class HeardByAll {
 public:
  explicit HeardByAll(std::uint64_t limit) : limit_(limit) {}

  void take(const std::string& line) {
    auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object()) return;
    if (object.contains("session") && !is_meant(object.value("session", ""), object.value("what", ""))) return;
    lines_.push_back(line + '\n');
  }
  std::string text() {
    std::string out;
    for (const auto& line : lines_) out += line;
    lines_.clear();
    return out;
  }
  bool full() const { return lines_.size() >= most_heard; }
  bool enough() const { return limit_ != 0 && ended_ >= limit_; }
  std::uint64_t ended() const noexcept { return ended_; }

 private:
  bool is_meant(const std::string& session, std::string_view what) {
    if (!open_.contains(session)) {
      if (limit_ != 0 && begun_ >= limit_) return false;
      ++begun_;
      open_.insert(session);
    }
    if (what == "closed") ended_ += open_.erase(session);
    return true;
  }

  std::uint64_t limit_, begun_ = 0, ended_ = 0;
  std::unordered_set<std::string> open_;
  std::deque<std::string> lines_;
};

event::Task<> hear(Peers* peers, PeerAnswer* answer, HeardByAll* heard, const bool* over) {
  event::Timer timer(peers->loop);
  for (;;) {
    bool more = co_await answer->next();
    if (!more) break;
    heard->take(answer->line());
    while (heard->full() && !*over) co_await timer.sleep(together_step);
  }
}

// Until all have ended, enough was heard, or the reader is gone: then false.
event::Task<bool> pass_heard(Peers* peers, event::Stream* stream, std::vector<std::unique_ptr<PeerAnswer>>* answers, HeardByAll* heard) {
  bool over = false, there = true;
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  for (auto& answer : *answers) scope.spawn(hear(peers, answer.get(), heard, &over));
  event::Timer timer(peers->loop);
  while (there) {
    bool last = heard->enough() || scope.running() == 0;
    std::string text = heard->text();
    if (!text.empty()) {
      auto sent = co_await stream->write(text, event::Deadline::in(together_reader_time));
      there = sent.has_value();
    } else if (last) {
      break;
    } else {
      there = stream->quiet();
      if (there) co_await timer.sleep(together_step);
    }
  }
  over = true;
  for (auto& answer : *answers) answer->stop();
  co_await scope.join();
  co_return there;
}

}  // namespace

// A session is followed by the process that has it: its number says which.
std::vector<unsigned> Session::processes_of(const std::string& target) const {
  unsigned count = services_.peers->count();
  std::vector<unsigned> out;
  if (auto number = Follower::session_number(target)) {
    unsigned process = smtp::Conversation::process_of(*number);
    out.push_back(process < count ? process : services_.peers->own());      // who knows that there is none
    return out;
  }
  for (unsigned number = 0; number < count; ++number) out.push_back(number);
  return out;
}

event::Task<> Session::traced_together() {
  std::string target = text_of("target");
  auto numbers = processes_of(to_lower(target));
  std::vector<std::unique_ptr<PeerAnswer>> answers;
  Json first, asked = question();
  first["following"] = target;
  first["now"] = 0;
  LastLines lasts;
  for (unsigned number : numbers) {
    auto answer = std::make_unique<PeerAnswer>(*services_.peers, number, asked);
    bool begun = co_await answer->next();
    if (answer->refused()) {
      end_refused(answer->last());
      co_return;
    }
    if (!begun) {
      lasts.add(number, answer->last());
      continue;
    }
    Json line = Json::parse(answer->line(), nullptr, false);
    if (line.is_object()) first["now"] = first["now"].get<std::uint64_t>() + line.value("now", std::uint64_t{0});
    answers.push_back(std::move(answer));
  }
  say(first);
  co_await send_gathered(0);
  HeardByAll heard(number_of("conversations").value_or(0));
  bool there = co_await pass_heard(services_.peers.get(), &stream_, &answers, &heard);
  gone_ = gone_ || !there;
  for (const auto& answer : answers) {
    if (answer->last().is_null() && !heard.enough()) lasts.add_missing(answer->number());
  }
  Json last = lasts.object();
  last["conversations"] = heard.ended();
  end(std::move(last));
}

}  // namespace mansio::control
