#include "ldap/pool.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "event/trigger.hpp"

namespace mansio::ldap {

namespace {
constexpr Duration shortest_pause{1000}, longest_pause{30'000};
MonotonicTime clock_now() { return std::chrono::steady_clock::now(); }
}  // namespace

struct Pool::Question {
  explicit Question(Search s) : search(std::move(s)) {}
  Search search;
  std::optional<Result<Found>> answer;
  event::Trigger done;
  int tries = 0;
  MonotonicTime until, sent_until;           // of the whole; of this try
};

struct Pool::Link {
  Link(Client c, std::size_t s, UniqueFd f) : client(std::move(c)), server(s), fd(std::move(f)) {}
  Client client;
  std::size_t server;
  UniqueFd fd;                               // our own of the same socket: libldap closes its one when it likes
  std::optional<event::Watch> watch;
  std::map<int, QuestionPtr> asked;
  bool retiring = false;                     // a better server was found
  bool answered = false;
};

struct Pool::Server {
  explicit Server(std::string u) : uri(std::move(u)) {}
  std::string uri, why;
  int failures = 0;
  MonotonicTime retry_at{};
};

Pool::Pool(event::Loop& loop, event::Scope& scope, config::Ldap settings, Access access, Report report)
    : loop_(loop), scope_(scope), settings_(std::move(settings)), access_(std::move(access)), report_(std::move(report)),
      threads_(loop, "ldap", 1), timer_(loop) {
  for (const std::string& uri : settings_.servers) servers_.emplace_back(uri);
}

Pool::~Pool() = default;

// Long enough for a second server, when the first one says nothing.
Duration Pool::patience() const { return settings_.timeout * (servers_.size() > 1 ? 2 : 1); }

event::Task<Result<Found>> Pool::ask(Search search) {
  auto self = shared_from_this();
  if (!access_.problem.empty()) co_return fail(Fault::denied, access_.problem);
  if (waiting_.size() >= most_waiting) co_return fail(Fault::busy, "too many questions wait for the directory");
  auto question = std::make_shared<Question>(std::move(search));
  question->until = clock_now() + patience();
  waiting_.push_back(question);
  pump();
  settle();
  while (!question->answer) co_await question->done.wait();
  co_return std::move(*question->answer);
}

// ---- questions to connections

void Pool::pump() {
  while (!waiting_.empty()) {
    Link* link = best_link();
    if (link == nullptr) break;
    QuestionPtr question = waiting_.front();
    waiting_.pop_front();
    if (hand(*link, question)) continue;
    waiting_.push_front(std::move(question));
    break;
  }
  consider_opening();
  tick_while_needed();
}

Pool::Link* Pool::best_link() {
  Link* best = nullptr;
  for (Link& link : links_) {
    if (link.retiring || link.asked.size() >= most_asked) continue;
    if (best == nullptr || link.asked.size() < best->asked.size()) best = &link;
  }
  return best;
}

// False when the question has to wait a little. A connection that turns out to be broken puts it back itself.
bool Pool::hand(Link& link, const QuestionPtr& question) {
  auto sent = link.client.send(question->search);
  if (sent) {
    question->sent_until = clock_now() + settings_.timeout;
    link.asked.emplace(*sent, question);
    return true;
  }
  if (sent.error().fault() == Fault::busy) {
    link.watch->want(event::Watch::readable | event::Watch::writable);
    return false;
  }
  if (sent.error().fault() == Fault::invalid) {
    finish(question, std::unexpected(sent.error()));
    return true;
  }
  link.asked.emplace(-1, question);
  lose(link, sent.error(), false);
  return true;
}

void Pool::arrived(Link& link) {
  auto self = shared_from_this();            // an answer may be what somebody waited for to let go of this directory
  std::vector<Client::Answer> answers;
  auto received = link.client.receive(answers);
  link.watch->want(event::Watch::readable);
  for (Client::Answer& answer : answers) {
    auto asked = link.asked.find(answer.number);
    if (asked == link.asked.end()) continue;
    finish(asked->second, std::move(answer.found));
    link.asked.erase(asked);
    link.answered = true;
    answered(link.server);
  }
  // A server may end a connection that worked, for being idle or stopped: the next try tells which.
  if (!received) lose(link, received.error(), !link.answered && !link.asked.empty());
  else if (link.retiring && link.asked.empty()) links_.remove_if([&](const Link& each) { return &each == &link; });
  pump();
  settle();
}

void Pool::lose(Link& link, const Error& why, bool blame) {
  auto now = clock_now();
  if (blame) failed(servers_[link.server], why.text());
  std::map<int, QuestionPtr> asked = std::move(link.asked);
  links_.remove_if([&](const Link& each) { return &each == &link; });
  for (auto& [number, question] : asked) {
    if (++question->tries < 2 && question->until > now) waiting_.push_front(question);
    else finish(question, std::unexpected(why));
  }
  tell_if_down();
}

void Pool::finish(const QuestionPtr& question, Result<Found> found) {
  question->answer.emplace(std::move(found));
  finished_.push_back(question);
}

// Who is told may ask again at once, so nothing of ours is under way here.
void Pool::settle() {
  while (!finished_.empty()) {
    QuestionPtr question = std::move(finished_.back());
    finished_.pop_back();
    question->done.fire();
  }
}

// ---- connections

void Pool::consider_opening() {
  auto now = clock_now();
  if (waiting_.empty() && links_.empty()) return;
  if (links_.empty() && !opening_ && is_down(now)) return fail_waiting();
  if (opening_) return;
  bool one_works = std::ranges::any_of(links_, [](const Link& link) { return !link.retiring; });
  std::size_t best = servers_.size();
  for (const Link& link : links_) best = link.retiring ? best : std::min(best, link.server);
  auto end = servers_.begin() + static_cast<std::ptrdiff_t>(best);
  bool better = one_works && std::any_of(servers_.begin(), end, [&](const Server& server) { return server.retry_at <= now; });
  bool crowded = std::ranges::all_of(links_, [](const Link& link) { return link.retiring || link.asked.size() >= many_asked; });
  bool room = links_.size() < settings_.connections;
  bool needed = crowded && room && !is_down(now) && (one_works || !waiting_.empty());
  if (!better && !needed) return;
  opening_ = true;
  scope_.spawn(open(better ? best : servers_.size()));
}

// The first of so many servers that is not left alone at the moment and lets us in.
event::Task<> Pool::open(std::size_t servers) {
  auto self = shared_from_this();
  for (std::size_t i = 0; i < servers; ++i) {
    if (servers_[i].retry_at > clock_now()) continue;
    lifeline_ = std::make_shared<Lifeline>();
    auto work = [this, i, lifeline = lifeline_] { return Client::open(settings_, access_, servers_[i].uri, lifeline); };
    auto client = co_await threads_.run(work);
    lifeline_.reset();
    if (client) {
      add_link(std::move(*client), i);
      break;
    }
    failed(servers_[i], client.error().text());
  }
  opening_ = false;
  tell_if_down();
  pump();
  settle();
}

void Pool::add_link(Client client, std::size_t server) {
  UniqueFd fd(::fcntl(client.descriptor(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return failed(servers_[server], "no descriptor is left");
  for (Link& link : links_) link.retiring = link.retiring || link.server > server;
  links_.remove_if([](const Link& link) { return link.retiring && link.asked.empty(); });
  Link& link = links_.emplace_back(std::move(client), server, std::move(fd));
  auto watch = event::Watch::start(loop_, link.fd.get(), event::Watch::readable, [this, &link](unsigned) { arrived(link); });
  if (watch) {
    link.watch.emplace(std::move(*watch));
    return;
  }
  failed(servers_[server], watch.error().text());
  links_.pop_back();
}

// ---- what is known of the servers

void Pool::failed(Server& server, const std::string& why) {
  auto pause = shortest_pause * (1 << std::min(server.failures, 5));
  ++server.failures;
  server.why = why;
  server.retry_at = clock_now() + std::min(pause, longest_pause);
}

void Pool::answered(std::size_t server) {
  servers_[server].failures = 0;
  servers_[server].retry_at = {};
  if (std::exchange(down_, false)) {
    report_(fmt::format("{}: {} answers again", name(), servers_[server].uri), false);
  } else if (server > used_) {
    report_(fmt::format("{}: {} is asked now, for {} failed: {}", name(), servers_[server].uri, servers_[used_].uri, servers_[used_].why), false);
  } else if (server < used_) {
    report_(fmt::format("{}: {} is asked again", name(), servers_[server].uri), false);
  }
  used_ = server;
}

bool Pool::is_down(MonotonicTime now) const {
  return std::ranges::all_of(servers_, [&](const Server& server) { return server.retry_at > now; });
}

void Pool::tell_if_down() {
  if (down_ || opening_ || !links_.empty() || !is_down(clock_now())) return;
  down_ = true;
  std::string text;
  for (const Server& server : servers_) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", server.uri, server.why);
  report_(fmt::format("{} is down, and what it would have to be asked for waits: {}", name(), text), true);
}

void Pool::fail_waiting() {
  std::string why = servers_.empty() ? "it has no server" : servers_.front().why;
  for (const QuestionPtr& question : std::exchange(waiting_, {})) finish(question, fail(Fault::closed, why));
}

// ---- time

bool Pool::is_idle() const {
  return waiting_.empty() && !opening_ && std::ranges::all_of(links_, [](const Link& link) { return link.asked.empty(); });
}

void Pool::tick_while_needed() {
  if (is_idle() || ticking_) return;
  ticking_ = true;
  scope_.spawn(tick());
}

event::Task<> Pool::tick() {
  auto self = shared_from_this();
  Duration step = std::clamp(settings_.timeout / 10, Duration(10), Duration(250));
  while (!is_idle()) {
    co_await timer_.sleep(step);
    if (lifeline_) lifeline_->cut_if_older(settings_.timeout * 2);        // one for TLS, one for the bind
    expire();
    pump();
    settle();
  }
  ticking_ = false;
}

// A question that stays unanswered ends its connection: what else waits there would wait in vain as well.
void Pool::expire() {
  auto now = clock_now();
  std::vector<Link*> silent;
  for (Link& link : links_) {
    if (std::ranges::any_of(link.asked, [&](const auto& each) { return each.second->sent_until <= now; })) silent.push_back(&link);
  }
  for (Link* link : silent) lose(*link, Error(Fault::timed_out, fmt::format("no answer in {}", format_duration(settings_.timeout))), true);
  std::deque<QuestionPtr> still;
  for (QuestionPtr& question : waiting_) {
    if (question->until > now) still.push_back(std::move(question));
    else finish(question, fail(Fault::timed_out, fmt::format("no answer in {}", format_duration(patience()))));
  }
  waiting_ = std::move(still);
}

}  // namespace mansio::ldap
