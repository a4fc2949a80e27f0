// What waits: listed, counted, run, and changed by an admin.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "control/session.hpp"
#include "queue/admin.hpp"

namespace mansio::control {
namespace {

constexpr std::size_t send_at = 32768;

bool icontains(std::string_view text, std::string_view part) { return to_lower(text).find(part) != std::string::npos; }

// Exim's -R and -S: a part of the address, whatever its case.
struct Filter {
  std::string recipient, sender, id;     // lower case, but for the id; "": any
  bool frozen = false;                   // these too
  bool reads_messages() const { return frozen || !recipient.empty() || !sender.empty(); }

  bool matches(const spool::Message& message) const {
    if (message.progress.frozen && !frozen) return false;
    if (!sender.empty() && !icontains(message.envelope.sender_text(), sender)) return false;
    if (recipient.empty()) return true;
    for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
      if (message.progress.recipients[i].settled()) continue;
      if (icontains(message.envelope.recipients[i].address.text(), recipient)) return true;
    }
    return false;
  }
};

}  // namespace

bool Session::may_see(const spool::Message& message) const {
  return caller_.admin || (!caller_.user.empty() && message.envelope.user == caller_.user);
}

Session::Json Session::describe(const spool::Message& message, Time now) const {
  using std::chrono::duration_cast, std::chrono::seconds;
  Json recipients = Json::array();
  std::string reason;
  for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
    const auto& progress = message.progress.recipients[i];
    Json one;
    one["address"] = message.envelope.recipients[i].address.text();
    one["done"] = progress.settled();
    if (!progress.settled() && !progress.last.ok()) {
      std::string status = (progress.host.empty() ? "" : progress.host + " said: ") + progress.last.line();
      one["status"] = status;
      if (reason.empty()) reason = status;
    }
    recipients.push_back(std::move(one));
  }
  if (reason.empty() && queue_.is_under_way(message.id)) reason = "it is being delivered now";
  if (reason.empty()) reason = queue_.why_waiting(message);
  Json out;
  out["id"] = message.id.text();
  out["sender"] = message.envelope.sender_text();
  out["age_seconds"] = std::max<std::int64_t>(duration_cast<seconds>(now - message.envelope.received).count(), 0);
  out["size"] = message.size();
  out["frozen"] = message.progress.frozen;
  out["recipients"] = std::move(recipients);
  out["reason"] = reason;
  out["next_attempt"] = duration_cast<seconds>(message.progress.next_attempt.time_since_epoch()).count();
  out["attempts"] = message.progress.attempts;
  return out;
}

// A million ids take a while to sort.
event::Task<std::vector<spool::QueueId>> Session::sorted_ids() {
  auto ids = queue_.spool.ids();
  auto sort = [&] {
    std::ranges::sort(ids);
    return true;
  };
  co_await services_.threads.run(sort);
  co_return ids;
}

event::Task<> Session::queue_list() {
  Time now = std::chrono::system_clock::now();
  bool complete = !queue_.spool.recovering();
  bool unsorted = request_.contains("sorted") && !flag_of("sorted");
  auto ids = queue_.spool.ids();
  std::size_t in_order = unsorted ? ids.size() : 0;
  for (std::size_t at = 0; at < ids.size(); ++at) {
    if (at == in_order) {
      // A million ids take a while to sort: the first ones come before that.
      constexpr std::size_t first = 1000;
      std::size_t end = at == 0 ? std::min(first, ids.size()) : ids.size();
      auto sort = [&] {
        auto begin = ids.begin();
        auto middle = begin + static_cast<std::ptrdiff_t>(end);
        if (middle == ids.end()) std::sort(begin + static_cast<std::ptrdiff_t>(at), middle);
        else std::partial_sort(begin, middle, ids.end());
        return true;
      };
      co_await services_.threads.run(sort);
      in_order = end;
    }
    const spool::QueueId& id = ids[at];
    auto message = co_await queue_.spool.load(id);
    if (!message || !may_see(**message)) continue;      // finished meanwhile, or somebody else's
    say(describe(**message, now));
    bool there = co_await send_gathered(send_at);
    if (!there) co_return;
  }
  Json last;
  last["complete"] = complete;
  end(std::move(last));
}

event::Task<> Session::queue_count() {
  std::size_t count = queue_.spool.messages();
  bool complete = !queue_.spool.recovering();
  if (!caller_.admin) {
    count = 0;
    auto ids = queue_.spool.ids();
    for (const auto& id : ids) {
      auto message = co_await queue_.spool.load(id);
      if (message && may_see(**message)) ++count;
    }
  }
  Json last;
  last["count"] = count;
  last["complete"] = complete;
  end(std::move(last));
}

// Without conditions at once; else what is found is started every ten thousand messages.
event::Task<> Session::queue_run() {
  constexpr std::size_t tell_at = 10000;
  Filter filter;
  filter.recipient = to_lower(text_of("recipient"));
  filter.sender = to_lower(text_of("sender"));
  filter.id = text_of("id");
  filter.frozen = flag_of("force_frozen");
  bool all = filter.recipient.empty() && filter.sender.empty() && filter.id.empty();
  std::size_t started = 0, looked_at = 0;
  if (all) {
    started = queue_.waiting();
    queue_.run_now();
  }
  std::vector<spool::QueueId> ids;
  if (!all || filter.frozen) ids = co_await sorted_ids();
  std::unordered_set<spool::QueueId> found;
  for (const auto& id : ids) {
    if (++looked_at % tell_at == 0) {
      queue_.run_now(std::exchange(found, {}));
      Json line;
      line["looked_at"] = looked_at;
      say(line);
      bool there = co_await send_gathered(0);
      if (!there) co_return;
    }
    if (!filter.id.empty() && id.text().find(filter.id) == std::string::npos) continue;
    bool frozen = false;
    if (filter.reads_messages()) {
      auto message = co_await queue_.spool.load(id);
      if (!message || !filter.matches(**message)) continue;
      frozen = (*message)->progress.frozen;
      if (all && !frozen) continue;              // started above
    }
    ++started;
    if (!frozen) {
      found.insert(id);
      continue;
    }
    queue::Order order;
    order.verb = "run";
    order.by = caller_.name();
    co_await queue::carry_out(&queue_, id, std::move(order));
  }
  if (!found.empty()) queue_.run_now(found);
  Json last;
  last["started"] = started;
  end(std::move(last));
}

Result<queue::Order> Session::order() const {
  queue::Order order;
  order.verb = text_of("verb");
  order.by = caller_.name();
  if (!queue::is_verb(order.verb)) return fail(Fault::invalid, "unknown verb");
  auto addresses = list_of("addresses");
  bool sender = order.verb == "set_sender";
  if (sender && addresses.size() != 1) return fail(Fault::invalid, "say one address, the new sender");
  if (sender && (addresses[0] == "<>" || addresses[0].empty())) return order;
  for (const auto& text : addresses) {
    auto address = mail::Address::parse(text);
    if (!address) return fail(Fault::invalid, text + ": " + address.error().text());
    if (sender) order.sender = std::move(*address);
    else order.addresses.push_back(std::move(*address));
  }
  return order;
}

event::Task<> Session::queue_act() {
  auto asked = order();
  if (!asked) {
    refuse(asked.error().text());
    co_return;
  }
  auto ids = list_of("ids");
  for (const auto& text : ids) {
    auto id = spool::QueueId::parse(text);
    queue::Outcome outcome(false, "is not in the queue: no such id");
    if (id) outcome = co_await queue::carry_out(&queue_, *id, *asked);
    Json line;
    line["id"] = text;
    line["done"] = outcome.done;
    line["text"] = outcome.text;
    say(line);
    if (out_.size() >= send_at) co_await write_log();
    bool there = co_await send_gathered(send_at);
    if (!there) co_return;
  }
  co_await write_log();
  end(Json::object());
}

// What an admin did is in the log when it is answered.
event::Task<> Session::write_log() {
  auto work = [&] {
    queue_.log.flush();
    return true;
  };
  co_await services_.threads.run(work);
}

}  // namespace mansio::control
