#include "dns/resolver.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <new>
#include <unordered_map>
#include <unordered_set>

#include "dns/cache.hpp"
#include "dns/exchange.hpp"
#include "dns/wire.hpp"

namespace mansio::dns {

using event::Task;

namespace {

// A server that didn't answer stands last for a while, so that not every question waits for it first.
constexpr std::chrono::seconds avoidance{30};

struct Server {
  explicit Server(event::Endpoint e) : endpoint(std::move(e)) {}
  event::Endpoint endpoint;
  MonotonicTime avoid_until{};
};
using Servers = std::vector<Server>;

// A question under way, and everybody who waits for its answer.
struct Lookup {
  Lookup(std::string n, std::string w, Type t, unsigned g)
      : name(std::move(n)), question(std::move(w), t), generation(g) {
    key = std::to_string(static_cast<unsigned>(t)) + ' ' + name;
  }
  std::string name;
  Question question;
  unsigned generation;
  std::string key;
  std::shared_ptr<const Answer> answer;
  event::Trigger ended;
  Exchange* exchange = nullptr;
  bool stopped = false;
};

std::shared_ptr<const Answer> make_answer(Outcome outcome, std::string name) {
  auto answer = std::make_shared<Answer>();
  answer->outcome = outcome;
  answer->name = std::move(name);
  return answer;
}

Outcome outcome_of(Fault fault) {
  if (fault == Fault::timed_out) return Outcome::timed_out;
  return fault == Fault::full ? Outcome::no_resources : Outcome::failed;
}

std::vector<std::size_t> order_of(const Servers& servers) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < servers.size(); ++i) order.push_back(i);
  auto now = std::chrono::steady_clock::now();
  std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return servers[i].avoid_until <= now; });
  return order;
}

}  // namespace

struct Resolver::State {
  State(event::Loop& l, event::Scope& s) : loop(l), scope(s) {}

  Task<> resolve(std::shared_ptr<Lookup> lookup);
  Task<Answer> follow(Lookup* lookup);
  Task<Result<Reply>> ask_servers(Question question, unsigned links, Lookup* lookup);
  Task<Result<Reply>> try_server(const event::Endpoint& server, const Question& question, unsigned links,
                                 Lookup* lookup);
  static Try how_it_went(const Result<Reply>& reply);
  struct Slot;
  Task<> take_slot();
  void hand_slots_on();

  event::Loop& loop;
  event::Scope& scope;
  ResolverOptions options;
  std::shared_ptr<Servers> servers;
  Cache cache{0};
  std::unordered_map<std::string, std::shared_ptr<Lookup>> pending;   // by key: who asks the same joins in
  std::unordered_set<std::shared_ptr<Lookup>> live;                   // also those from before configure()
  std::deque<event::Trigger*> waiting;                                // for a slot
  std::size_t used_slots = 0;
  unsigned generation = 0;      // of the configuration
  bool handing_on = false, stopped = false;
  std::function<void(Try, std::chrono::nanoseconds)> observer;
};

// ---- slots: a try takes one, so a dead domain with many tries lets the others through between them

struct Resolver::State::Slot {
  explicit Slot(State* s) : state(s) {}
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() {
    --state->used_slots;
    state->hand_slots_on();
  }
  State* state;
};

Task<> Resolver::State::take_slot() {
  if (used_slots < options.questions_at_once) {
    ++used_slots;
    co_return;
  }
  event::Trigger turn;
  waiting.push_back(&turn);
  co_await turn.wait();   // whoever fires it has counted the slot
}

// A try that fails at once gives its slot back while another is just being resumed here: that call returns, and this
// loop goes on, so the stack doesn't grow with the number of those that wait.
void Resolver::State::hand_slots_on() {
  if (std::exchange(handing_on, true)) return;
  while (!waiting.empty() && used_slots < options.questions_at_once) {
    event::Trigger* turn = waiting.front();
    waiting.pop_front();
    ++used_slots;
    turn->fire();
  }
  handing_on = false;
}

// ---- from one try up to a whole answer

Resolver::Try Resolver::State::how_it_went(const Result<Reply>& reply) {
  if (!reply) return reply.error().fault() == Fault::timed_out ? Try::silent : Try::failed;
  bool could = reply->verdict != Reply::Verdict::server_failed && reply->verdict != Reply::Verdict::format_error;
  return could ? Try::answered : Try::failed;
}

Task<Result<Reply>> Resolver::State::try_server(const event::Endpoint& server, const Question& question, unsigned links,
                                                Lookup* lookup) {
  co_await take_slot();
  Slot slot(this);
  if (lookup->stopped) co_return fail(Fault::cancelled, "stopped", ECANCELED);
  Exchange exchange(loop, server, options.timeout);
  lookup->exchange = &exchange;
  auto begin = std::chrono::steady_clock::now();
  auto reply = co_await exchange.run(question, links);
  lookup->exchange = nullptr;
  if (observer) observer(how_it_went(reply), std::chrono::steady_clock::now() - begin);
  co_return std::move(reply);
}

// One server after the other. A server that said that it can't answer, or can't be reached, isn't asked again for this
// question; one that was silent is, in each round.
Task<Result<Reply>> Resolver::State::ask_servers(Question question, unsigned links, Lookup* lookup) {
  using Verdict = Reply::Verdict;
  auto asked = servers;   // of the configuration when it began
  auto order = order_of(*asked);
  unsigned rounds = options.attempts;
  bool failed = order.empty();
  for (unsigned round = 0; round < rounds && !order.empty(); ++round) {
    std::vector<std::size_t> silent;
    for (std::size_t index : order) {
      Server& server = (*asked)[index];
      auto reply = co_await try_server(server.endpoint, question, links, lookup);
      if (reply) {
        server.avoid_until = {};
        failed = reply->verdict == Verdict::server_failed || reply->verdict == Verdict::format_error;
        if (!failed) co_return std::move(reply);
        continue;
      }
      Fault fault = reply.error().fault();
      if (fault == Fault::cancelled || fault == Fault::full) co_return std::move(reply);
      server.avoid_until = std::chrono::steady_clock::now() + avoidance;
      if (fault == Fault::timed_out) silent.push_back(index);
    }
    order = std::move(silent);
  }
  if (failed) co_return fail(Fault::invalid, "no name server could answer");
  co_return fail(Fault::timed_out, "no name server answered", ETIMEDOUT);
}

// Asks again where the server followed the CNAMEs only part of the way (RFC 1034 §5.2.2).
Task<Answer> Resolver::State::follow(Lookup* lookup) {
  using Verdict = Reply::Verdict;
  Question question = lookup->question;
  Duration ttl = Duration::max();
  bool secure = true;
  unsigned links = 0;
  for (;;) {
    auto reply = co_await ask_servers(question, links, lookup);
    Answer answer;
    answer.name = lookup->name;
    if (!reply) answer.outcome = outcome_of(reply.error().fault());
    if (!reply || reply->verdict == Verdict::looped) co_return std::move(answer);
    ttl = std::min(ttl, reply->answer.ttl);
    secure = secure && reply->answer.secure;
    links += reply->links;
    if (reply->verdict == Verdict::incomplete) {
      question.name = reply->next;
      continue;
    }
    answer = std::move(reply->answer);
    answer.ttl = ttl;
    answer.secure = secure;
    co_return std::move(answer);
  }
}

Task<> Resolver::State::resolve(std::shared_ptr<Lookup> lookup) {
  Answer answer;
  try {
    answer = co_await follow(lookup.get());
  } catch (const std::bad_alloc&) {
    answer.outcome = Outcome::no_resources;
  }
  live.erase(lookup);
  if (auto at = pending.find(lookup->key); at != pending.end() && at->second == lookup) pending.erase(at);
  if (lookup->answer) co_return;   // stop() gave it
  auto now = std::chrono::steady_clock::now();
  bool keep = !lookup->stopped && lookup->generation == generation;
  if (keep) lookup->answer = cache.store(lookup->name, lookup->question.type, std::move(answer), now);
  else lookup->answer = std::make_shared<const Answer>(std::move(answer));
  lookup->ended.fire();
}

// ---- the resolver

Resolver::Resolver(event::Loop& loop, event::Scope& scope, ResolverOptions options)
    : state_(std::make_unique<State>(loop, scope)) {
  configure(std::move(options));
}
Resolver::~Resolver() = default;

void Resolver::configure(ResolverOptions options) {
  State& state = *state_;
  state.servers = std::make_shared<Servers>();
  for (auto& endpoint : options.servers) state.servers->emplace_back(endpoint);
  state.options = std::move(options);
  state.options.questions_at_once = std::max<std::size_t>(state.options.questions_at_once, 1);
  state.options.attempts = std::max(state.options.attempts, 1U);
  state.cache.clear();
  state.cache.set_limit(state.options.cache_entries);
  state.pending.clear();
  ++state.generation;
  state.hand_slots_on();
}

Task<std::shared_ptr<const Answer>> Resolver::ask(std::string name, Type type) {
  State& state = *state_;
  auto wire = to_wire(name);
  if (!wire) co_return make_answer(Outcome::bad_name, std::move(name));
  name = to_text(*wire).value_or("");   // as it is compared and kept: lower case, no trailing dot
  if (state.stopped || state.servers->empty()) co_return make_answer(Outcome::failed, std::move(name));
  if (auto kept = state.cache.find(name, type, std::chrono::steady_clock::now())) co_return std::move(kept);
  auto lookup = std::make_shared<Lookup>(std::move(name), std::move(*wire), type, state.generation);
  auto [at, fresh] = state.pending.emplace(lookup->key, lookup);
  if (fresh) {
    state.live.insert(lookup);
    state.scope.spawn(state.resolve(lookup));   // ends at once when there are no descriptors
  } else {
    lookup = at->second;
  }
  if (!lookup->answer) co_await lookup->ended.wait();
  co_return lookup->answer;
}

void Resolver::observe(std::function<void(Try, std::chrono::nanoseconds)> observer) { state_->observer = std::move(observer); }

void Resolver::stop() {
  State& state = *state_;
  state.stopped = true;
  std::vector<std::shared_ptr<Lookup>> lookups(state.live.begin(), state.live.end());
  for (auto& lookup : lookups) lookup->stopped = true;
  for (auto& lookup : lookups) {
    if (lookup->exchange != nullptr) lookup->exchange->interrupt();
    if (lookup->answer) continue;
    lookup->answer = make_answer(Outcome::failed, lookup->name);   // its connection is still being made
    lookup->ended.fire();
  }
}

}  // namespace mansio::dns
