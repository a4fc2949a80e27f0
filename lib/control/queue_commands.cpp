// What waits: listed, counted, run, and changed by an admin.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/text.hpp"
#include "control/describe.hpp"
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

// ": there are internet, smart_host".
std::string transports_text(const config::Config& config) {
  std::string out;
  for (const auto& transport : config.transports) {
    if (transport.kind != config::TransportKind::smtp && transport.kind != config::TransportKind::lmtp) continue;
    out += (out.empty() ? ": there are " : ", ") + transport.name;
  }
  return out;
}

}  // namespace

bool Session::may_see(const spool::Message& message) const {
  return caller_.reader || (!caller_.user.empty() && message.envelope.user == caller_.user);
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
  QueueWalk walk(queue_, Selection(), now);
  walk.visible = [this](const spool::Message& message) { return may_see(message); };
  walk.sorted = !request_.contains("sorted") || flag_of("sorted");
  const std::function<void(QueueWalk::Bundle&)> write = [now](QueueWalk::Bundle& bundle) {
    for (const auto& found : bundle.found) bundle.text += line_of(describe(found, now));
  };
  for (;;) {
    bool more = co_await walk.next();
    if (!more) break;
    co_await walk.on_threads(&write);
    for (const auto& bundle : walk.bundles()) out_ += bundle.text;
    bool there = co_await send_gathered(1);
    if (!there) co_return;
  }
  Json last;
  last["complete"] = walk.complete();
  end(std::move(last));
}

event::Task<> Session::queue_count() {
  std::size_t count = queue_.spool.messages();
  bool complete = !queue_.spool.recovering();
  if (!caller_.reader) {
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
  if (!queue::is_verb(order.verb) && order.verb != "retry") return fail(Fault::invalid, "unknown verb");
  order.transport = text_of("transport");
  if (order.verb == "reroute" && !order.transport.empty()) {
    auto config = queue_.config();
    const config::Transport* transport = config->transport(order.transport);
    bool network = transport != nullptr && (transport->kind == config::TransportKind::smtp || transport->kind == config::TransportKind::lmtp);
    if (!network) return fail(Fault::invalid, "the configuration has no transport \"" + order.transport + "\" to other hosts" + transports_text(*config));
  }
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
  auto texts = list_of("ids");
  std::vector<spool::QueueId> ids;
  for (const auto& text : texts) {
    if (auto id = spool::QueueId::parse(text)) ids.push_back(*id);
  }
  std::vector<queue::Outcome> outcomes;
  if (asked->verb == "retry") outcomes = retry(ids);
  else outcomes = co_await queue::carry_out_all(&queue_, ids, std::move(*asked));
  auto outcome = outcomes.cbegin();
  for (const auto& text : texts) {
    bool known = spool::QueueId::parse(text).has_value();
    Json line;
    line["id"] = text;
    line["done"] = known && outcome->done;
    line["text"] = known ? outcome->text : "is not in the queue: no such id";
    if (known) ++outcome;
    say(line);
  }
  co_await write_log();
  end(Json::object());
}

// Many at once, each in its turn: no closed destination is hammered, and what is frozen stays so.
std::vector<queue::Outcome> Session::retry(const std::vector<spool::QueueId>& ids) {
  std::unordered_set<spool::QueueId> soon;
  std::vector<queue::Outcome> out;
  for (const auto& id : ids) {
    if (!queue_.spool.contains(id)) {
      out.emplace_back(false, "is not in the queue");
      continue;
    }
    out.emplace_back(true, queue_.is_under_way(id) ? "is being delivered now; what is left of it is tried again after that" : "is tried as soon as it is its turn");
    soon.insert(id);
  }
  queue_.run_now(soon);
  return out;
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
