// The queues of several mail processes as one: each message is in the queue of the process whose shard its id names.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "control/describe.hpp"
#include "control/queue_merge.hpp"
#include "control/queue_tally.hpp"
#include "control/session.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t listed_at = 32768;

std::string away(unsigned number) { return fmt::format("is in the queue of mail process {}, which does not answer", number); }

// Nobody's: a text that is no id, which any process knows to refuse.
std::optional<unsigned> shard_of(const std::string& id) {
  auto parsed = spool::QueueId::parse(id);
  if (!parsed) return std::nullopt;
  return static_cast<unsigned>(parsed->origin & spool::QueueId::shard_mask);
}

}  // namespace

std::string Session::no_such_process(unsigned number) const {
  unsigned count = services_.peers->count();
  return fmt::format("is not in the queue: it would be in that of mail process {}, and mail_processes is {}", number, count);
}

// Message by message in order of arrival; how many, and how many of them in full, holds for all together.
event::Task<> Session::ordered() {
  constexpr auto all = std::numeric_limits<std::size_t>::max();
  std::size_t limit = number_of("limit").value_or(all), in_full = number_of("in_full").value_or(all), told = 0;
  auto wanted = selection();
  QueueMerge merge(*services_.peers, question(), wanted ? wanted->exact_ids().value_or(std::vector<spool::QueueId>()) : std::vector<spool::QueueId>());
  IdLines ids;
  while (told < limit) {
    bool more = co_await merge.next();
    if (!more) break;
    bool progress = merge.id().empty();
    if (progress) {
      Json line;
      line["looked_at"] = merge.looked_at();
      say(line);
    } else if (told++ < in_full && !merge.line().empty()) {
      out_ += merge.line() + '\n';
    } else {
      ids.add(merge.id(), out_);
    }
    std::size_t enough = progress ? 1 : listed_at;
    bool there = co_await send_gathered(enough);
    if (!there) co_return;
  }
  if (!merge.refusal().is_null()) {
    end_refused(merge.refusal());
    co_return;
  }
  ids.flush(out_);
  Json last = merge.last().object();
  if (!last.contains("complete")) last["complete"] = true;
  if (text_of("command") == "queue_select") last["matched"] = told;
  end(std::move(last));
}

event::Task<> Session::listed_together() {
  bool sorted = !request_.contains("sorted") || flag_of("sorted");
  if (sorted) co_await ordered();
  else co_await chained();
}

event::Task<> Session::summary_of_all() {
  auto by = QueueTally::parse_by(text_of("by")).value_or(QueueTally::By::destination);
  QueueTally tally(by);
  const Peers::Each each = [&](unsigned, const std::string& line) { tally.add(Json::parse(line, nullptr, false)); };
  Json asked = question();
  auto lasts = co_await services_.peers->ask_all(std::move(asked), &each);
  LastLines sum;
  for (unsigned number = 0; number < lasts.size(); ++number) {
    if (lasts[number].is_object() && lasts[number].contains("error")) {
      end_refused(lasts[number]);
      co_return;
    }
    sum.add(number, lasts[number]);
  }
  for (const Json& object : tally.objects()) {
    say(object);
    bool there = co_await send_gathered(listed_at);
    if (!there) co_return;
  }
  Json last = sum.object();
  end(std::move(last));
}

// ---- of one message

// The process that has it answers.
event::Task<> Session::owned() {
  std::string id = text_of("id");
  unsigned number = shard_of(id).value_or(services_.peers->own());
  if (number >= services_.peers->count()) {
    refuse("message " + id + " " + no_such_process(number));
    co_return;
  }
  PeerAnswer answer(*services_.peers, number, question());
  for (;;) {
    bool more = co_await answer.next();
    if (!more) break;
    out_ += answer.line() + '\n';
    Json object = Json::parse(answer.line(), nullptr, false);
    std::uint64_t left = object.is_object() && object.contains("bytes") && object["bytes"].is_number_unsigned() ? object["bytes"].get<std::uint64_t>() : 0;
    while (left > 0) {
      std::string piece = co_await answer.octets(left);
      if (piece.empty()) {
        gone_ = true;            // so many octets were announced that there are not: no answer can follow
        co_return;
      }
      left -= piece.size();
      out_ += piece;
      bool there = co_await send_gathered(listed_at);
      if (!there) co_return;
    }
  }
  if (answer.last().is_object()) say(answer.last());
  else refuse("message " + id + " " + away(number));
}

event::Task<> Session::why_of_all() {
  if (text_of("id").empty()) co_await why();
  else co_await owned();
}

// ---- of several

// Their outcomes, in the order that was asked for. This process is asked first, also when nothing is for it: it knows
// whether the order makes sense, before anything is done.
event::Task<> Session::acted_together() {
  auto texts = list_of("ids");
  unsigned count = services_.peers->count(), own = services_.peers->own();
  std::vector<std::vector<std::string>> ids(count);
  for (const auto& text : texts) {
    unsigned number = shard_of(text).value_or(own);
    if (number < count) ids[number].push_back(text);
  }
  std::vector<std::vector<std::string>> outcomes(count);
  std::vector<unsigned> turns{own};
  for (unsigned number = 0; number < count; ++number) {
    if (number != own && !ids[number].empty()) turns.push_back(number);
  }
  LastLines sum;
  for (unsigned number : turns) {
    Json asked = question();
    asked["ids"] = ids[number];
    PeerAnswer answer(*services_.peers, number, asked);
    for (;;) {
      bool more = co_await answer.next();
      if (!more) break;
      outcomes[number].push_back(answer.line());
    }
    if (answer.refused()) {
      end_refused(answer.last());
      co_return;
    }
    sum.add(number, answer.last());
  }
  say_outcomes(texts, outcomes);
  Json last = sum.object();
  end(std::move(last));
}

void Session::say_outcomes(const std::vector<std::string>& texts, const std::vector<std::vector<std::string>>& outcomes) {
  std::vector<std::size_t> told(outcomes.size(), 0);
  for (const auto& text : texts) {
    unsigned number = shard_of(text).value_or(services_.peers->own());
    if (number < outcomes.size() && told[number] < outcomes[number].size()) {
      out_ += outcomes[number][told[number]++] + '\n';
      continue;
    }
    Json line;
    line["id"] = text;
    line["done"] = false;
    line["text"] = number < outcomes.size() ? away(number) : no_such_process(number);
    say(line);
  }
}

}  // namespace mansio::control
