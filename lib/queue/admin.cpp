#include "queue/admin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "queue/attempt.hpp"

namespace mansio::queue {
namespace {

Change refused(std::string text) {
  Change change;
  change.text = std::move(text);
  return change;
}

Change changed(Change::Keep keep, std::string text, std::string log) {
  Change change;
  change.done = true;
  change.keep = keep;
  change.text = std::move(text);
  change.log.push_back(std::move(log));
  return change;
}

// ---- the verbs

// A frozen message is thawed by it for good, as Exim does.
Change run_message(spool::Message& message, const Order&) {
  Change change;
  if (message.progress.frozen) {
    message.progress.frozen = false;
    change = changed(Change::Keep::progress, "", "unfrozen by forced delivery");
  }
  change.done = true;
  change.text = "is tried now";
  change.then = Change::Then::try_forced;
  return change;
}

Change freeze_message(spool::Message& message, const Order& order) {
  if (message.progress.frozen) return refused("is already frozen");
  message.progress.frozen = true;
  return changed(Change::Keep::progress, "is now frozen", "frozen by " + order.by);
}

Change thaw_message(spool::Message& message, const Order& order) {
  if (!message.progress.frozen) return refused("is not frozen");
  message.progress.frozen = false;
  Change change = changed(Change::Keep::progress, "is no longer frozen", "unfrozen by " + order.by);
  change.then = Change::Then::try_soon;
  return change;
}

Change remove_message(spool::Message&, const Order& order) {
  return changed(Change::Keep::removed, "has been removed", "removed by " + order.by);
}

Change give_up_message(spool::Message&, const Order& order) {
  return changed(Change::Keep::given_up, "has been given up, and its sender is told", "cancelled by " + order.by);
}

Change add_recipients(spool::Message& message, const Order& order) {
  if (order.addresses.empty()) return refused("needs addresses to add");
  Change change;
  for (const mail::Address& address : order.addresses) {
    bool waits = false;
    for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
      bool same = message.envelope.recipients[i].address.text() == address.text();
      waits = waits || (same && !message.progress.recipients[i].settled());
    }
    if (waits) continue;
    message.envelope.recipients.emplace_back(address);
    message.envelope.smtputf8 = message.envelope.smtputf8 || address.needs_smtputf8();
    message.progress.recipients.emplace_back();
    change.log.push_back(fmt::format("recipient <{}> added by {}", address.text(), order.by));
  }
  if (change.log.empty()) return refused("has these recipients already");
  change.done = true;
  change.keep = Change::Keep::envelope;
  if (!message.progress.frozen) change.then = Change::Then::try_soon;
  change.text = "has been modified";
  return change;
}

Change set_sender(spool::Message& message, const Order& order) {
  message.envelope.sender = order.sender;
  if (order.sender && order.sender->needs_smtputf8()) message.envelope.smtputf8 = true;
  return changed(Change::Keep::envelope, "has been modified",
                 fmt::format("sender address changed to <{}> by {}", message.envelope.sender_text(), order.by));
}

void mark(spool::RecipientProgress& progress, const Order& order) {
  progress.state = spool::RecipientState::delivered;
  progress.last = Status(250, 0, 0, "marked as delivered by " + order.by);
  progress.host.clear();
}

Change mark_delivered(spool::Message& message, const Order& order) {
  if (order.addresses.empty()) return refused("needs the addresses to mark");
  for (const mail::Address& address : order.addresses) {
    bool found = false;
    for (std::size_t i = 0; i < message.envelope.recipients.size(); ++i) {
      if (message.envelope.recipients[i].address.key() != address.key()) continue;
      found = true;
      if (!message.progress.recipients[i].settled()) mark(message.progress.recipients[i], order);
    }
    if (!found) return refused(fmt::format("has no recipient {}", address.text()));
  }
  Change change;
  for (const mail::Address& address : order.addresses) {
    change.log.push_back(fmt::format("address <{}> marked delivered by {}", address.text(), order.by));
  }
  change.done = true;
  change.keep = Change::Keep::progress;
  change.text = "has been modified";
  return change;
}

Change mark_all_delivered(spool::Message& message, const Order& order) {
  for (auto& progress : message.progress.recipients) {
    if (!progress.settled()) mark(progress, order);
  }
  return changed(Change::Keep::progress, "has been modified", "all addresses marked delivered by " + order.by);
}

Change reroute_message(spool::Message& message, const Order& order) {
  std::string& transport = message.progress.transport;
  std::string words = order.transport.empty() ? "as the routes say" : "by " + order.transport;
  if (transport == order.transport) return refused("goes " + words + " already");
  transport = order.transport;
  Change change = changed(Change::Keep::progress, "goes " + words + " from now on",
                          (order.transport.empty() ? "rerouted as the routes say" : "rerouted to " + order.transport) + " by " + order.by);
  if (!message.progress.frozen) change.then = Change::Then::try_soon;
  return change;
}

struct VerbRow {
  const char* name;
  Change (*apply)(spool::Message& message, const Order& order);
};
constexpr std::array<VerbRow, 10> verb_rows{{
    {"run", run_message}, {"freeze", freeze_message}, {"thaw", thaw_message}, {"remove", remove_message},
    {"give_up", give_up_message}, {"add_recipients", add_recipients}, {"set_sender", set_sender},
    {"mark_delivered", mark_delivered}, {"mark_all_delivered", mark_all_delivered},
    {"reroute", reroute_message},
}};

// ---- making it durable

void tell(Queue& queue, const spool::QueueId& id, std::string text) {
  log::Notice notice;
  notice.id = id.text();
  notice.text = std::move(text);
  queue.log.write(std::move(notice));
}

void tell_completed(Queue& queue, const spool::Message& message) {
  log::Completed completed;
  completed.id = message.id.text();
  completed.queue_time = std::chrono::duration_cast<Duration>(std::chrono::system_clock::now() - message.envelope.received);
  queue.log.write(std::move(completed));
}

// Lets go of a message whatever happens.
struct Hold {
  Hold(Queue& q, spool::QueueId i) : queue(q), id(i) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() { queue.let_go(id, after); }
  Queue& queue;
  spool::QueueId id;
  After after;           // as planned
};

event::Task<Result<>> give_up(Queue* queue, std::shared_ptr<spool::Message> message, Hold* hold) {
  Lanes::Started started;
  started.entry.id = message->id;
  Attempt attempt(*queue, message, &started, false);
  Status why(550, 7, 0, "delivery cancelled by administrator");
  hold->after = co_await attempt.give_up(why);
  if (hold->after.what == After::What::finished) co_return Result<>();
  co_return fail(Fault::busy, "its bounce could not be queued");
}

event::Task<Result<>> keep(Queue* queue, Change::Keep what, std::shared_ptr<spool::Message> message, Hold* hold) {
  Result<> kept;
  switch (what) {
    case Change::Keep::nothing: break;
    case Change::Keep::envelope: kept = co_await queue->spool.rewrite(message); break;
    case Change::Keep::given_up: kept = co_await give_up(queue, message, hold); break;
    case Change::Keep::progress:
      if (message->progress.finished()) kept = co_await queue->spool.finish(message);
      else kept = co_await queue->spool.defer(message);
      break;
    case Change::Keep::removed: {
      Status why(550, 7, 0, "removed by an administrator");
      kept = co_await queue->spool.remove(message, why);
      break;
    }
  }
  co_return kept;
}

// The log tells of what is durable; a bounce's lines come after the one that says why.
event::Task<Outcome> change_held(Queue* queue, std::shared_ptr<spool::Message> message, Order order, Hold* hold,
                                 Change* change) {
  *change = change_message(*message, order);
  bool marked = change->keep == Change::Keep::progress && message->progress.finished();
  bool forgets = change->keep == Change::Keep::removed || marked;
  if (change->keep == Change::Keep::given_up) tell(*queue, message->id, change->log.front());
  auto kept = co_await keep(queue, change->keep, message, hold);
  if (!kept) {
    change->then = Change::Then::as_planned;
    co_return Outcome(false, "could not be changed: " + kept.error().text());
  }
  if (change->keep != Change::Keep::given_up) {
    for (std::string& line : change->log) tell(*queue, message->id, std::move(line));
  }
  if (forgets) tell_completed(*queue, *message);
  co_return Outcome(change->done, change->text);
}

}  // namespace

bool is_verb(std::string_view verb) { return std::ranges::find(verb_rows, verb, &VerbRow::name) != verb_rows.end(); }

Change change_message(spool::Message& message, const Order& order) {
  auto row = std::ranges::find(verb_rows, order.verb, &VerbRow::name);
  return row->apply(message, order);
}

// What is to be done with it then is the caller's.
static event::Task<Outcome> carry_out_one(Queue* queue, spool::QueueId id, Order order, Change::Then* then) {
  if (!queue->spool.contains(id)) co_return Outcome(false, "is not in the queue");
  if (!queue->hold(id)) {
    if (order.verb != "run") co_return Outcome(false, "is locked: it is being delivered now");
    *then = Change::Then::try_forced;
    co_return Outcome(true, "is being delivered now; what is left of it is tried again after that");
  }
  Change change;
  bool freezes = order.verb == "freeze";
  Outcome outcome(false, "is not in the queue");
  {
    Hold hold(*queue, id);
    auto message = co_await queue->spool.load(id);
    if (message) outcome = co_await change_held(queue, *message, std::move(order), &hold, &change);
    else if (message.error().fault() != Fault::not_found) outcome.text = "cannot be read: " + message.error().text();
  }
  *then = change.then;
  // What is laid aside or gone may still stand among those that wait: it is looked at soon, and found to be so.
  bool laid_aside = freezes || !queue->spool.contains(id);
  if (outcome.done && laid_aside && *then == Change::Then::as_planned) *then = Change::Then::try_soon;
  co_return outcome;
}

event::Task<Outcome> carry_out(Queue* queue, spool::QueueId id, Order order) {
  auto then = Change::Then::as_planned;
  auto outcome = co_await carry_out_one(queue, id, std::move(order), &then);
  if (then != Change::Then::as_planned) queue->run_now(id, then == Change::Then::try_forced);
  co_return outcome;
}

namespace {

struct Bulk {
  Bulk(std::vector<spool::QueueId> i, Order o) : ids(std::move(i)), order(std::move(o)), outcomes(ids.size(), Outcome(false, "")) {}
  std::vector<spool::QueueId> ids;
  Order order;
  std::vector<Outcome> outcomes;
  std::unordered_set<spool::QueueId> soon, forced;
  std::size_t next = 0;
};

event::Task<> work_on(Queue* queue, Bulk* bulk) {
  while (bulk->next < bulk->ids.size()) {
    std::size_t at = bulk->next++;
    auto then = Change::Then::as_planned;
    Order order = bulk->order;
    bulk->outcomes[at] = co_await carry_out_one(queue, bulk->ids[at], std::move(order), &then);
    if (then == Change::Then::try_soon) bulk->soon.insert(bulk->ids[at]);
    if (then == Change::Then::try_forced) bulk->forced.insert(bulk->ids[at]);
  }
}

}  // namespace

event::Task<std::vector<Outcome>> carry_out_all(Queue* queue, std::vector<spool::QueueId> ids, Order order) {
  constexpr int at_once = 16;        // the file system joins the syncs of some
  Bulk bulk(std::move(ids), std::move(order));
  event::Scope scope([queue](std::exception_ptr e) { queue->exception(e); });
  for (int i = 0; i < at_once; ++i) scope.spawn(work_on(queue, &bulk));
  co_await scope.join();
  if (!bulk.soon.empty()) queue->run_now(bulk.soon, false);
  if (!bulk.forced.empty()) queue->run_now(bulk.forced, true);
  co_return std::move(bulk.outcomes);
}

}  // namespace mansio::queue
