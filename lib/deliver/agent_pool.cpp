#include "deliver/agent_pool.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mansio::deliver {
namespace {

// An agent takes all the Maildir jobs that have come to it at once, so that they share their syncs: those for one Maildir
// go to one agent, which has a few Maildirs at a time; when very many come, to a second one, which works while the first one
// waits for the disk. With more of them they would wait for each other, and the journal for them. While an agent works, the
// next jobs come together in its socket. Of the other quick jobs, a second one waits there, so that the agent never idles
// between two. A job that may block (a lock, a program) has its agent to itself.
constexpr std::size_t depth = 2, maildir_depth = 128, mixed_depth = 16, maildirs_at_once = 8;
// An agent that has answered nothing for so long is given nothing but what is for the same Maildirs: their disk may hang.
constexpr auto stuck_after = std::chrono::seconds(1);
constexpr std::size_t uses_kept = 10'000;
constexpr std::uint32_t first_kept_slot = one_off_slot + 1, kept_slots = 32;

AgentKind kind_for(JobKind kind) {
  if (kind == JobKind::password_check) return AgentKind::passwords;
  bool lookup = kind == JobKind::user_lookup || kind == JobKind::read_forward;
  return lookup ? AgentKind::lookups : AgentKind::deliveries;
}

bool is_quick(const Job& job) { return job.kind == JobKind::maildir || job.kind == JobKind::drop; }
bool has_quota(const Job& job) { return job.kind == JobKind::drop && (job.quota != 0 || job.quota_files != 0); }

// What jobs block on together: a lock, a count, or a program of the same user.
std::string place_of(const Job& job) {
  if (job.kind == JobKind::mbox || has_quota(job)) return job.path;
  if (job.kind == JobKind::token_command) return "token commands";
  if (job.kind == JobKind::pipe) return "uid " + std::to_string(job.uid);
  return {};
}

}  // namespace

struct AgentPool::Agent {
  explicit Agent(AgentKind what) : kind(what) {}
  std::optional<event::PacketSocket> socket;
  std::unordered_map<std::uint64_t, Request*> under_way;   // by serial
  std::deque<std::pair<std::uint64_t, std::uint32_t>> slots;   // journal segments it has: file key → slot, oldest first
  std::uint32_t next_slot = first_kept_slot;
  AgentKind kind;
  std::size_t slow = 0;                                    // of the jobs under way: those that may block
  std::unordered_map<std::string, std::size_t> maildirs;   // of the jobs under way, and how many of these
  MonotonicTime last_moved{};                              // the last answer, or the first job after a rest
};

struct AgentPool::Wait {
  AgentPool* pool;
  Request* request;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const {
    request->waiter = waiting;
    pool->admit(request);
    pool->dispatch();
  }
  void await_resume() const noexcept {}
};

AgentPool::AgentPool(event::Loop& loop) : loop_(loop) {}
AgentPool::~AgentPool() { close(); }

void AgentPool::close() {
  auto agents = std::exchange(agents_, {});
  homes_.clear();
  agents.clear();
}

std::deque<AgentPool::Request*>& AgentPool::queue_of(const Job& job) noexcept {
  return waiting_[static_cast<std::size_t>(kind_for(job.kind))];
}

bool AgentPool::has(AgentKind kind) const noexcept {
  return std::ranges::any_of(agents_, [kind](const auto& agent) { return agent->kind == kind; });
}

Result<> AgentPool::add(UniqueFd channel, AgentKind kind) {
  auto agent = std::make_unique<Agent>(kind);
  Agent* raw = agent.get();
  auto socket = event::PacketSocket::adopt(
      loop_, std::move(channel), [this, raw](event::PacketSocket::Packet packet) { answered(raw, std::move(packet)); },
      [this, raw] { died(raw); });
  if (!socket) return std::unexpected(socket.error());
  agent->socket.emplace(std::move(*socket));
  agents_.push_back(std::move(agent));
  dispatch();
  return {};
}

event::Task<Answer> AgentPool::run(Job job, spool::Content content) {
  job.serial = next_serial_++;
  Request request(std::move(job), std::move(content));
  if (request.job.kind == JobKind::password_check && !has(AgentKind::passwords)) {
    request.answer.status = Status(451, 3, 0, "there is no agent that checks passwords");
    co_return std::move(request.answer);
  }
  Wait wait{this, &request};
  co_await wait;
  co_return std::move(request.answer);
}

void AgentPool::admit(Request* request) {
  request->place = place_of(request->job);
  if (!request->place.empty()) {
    Place& place = places_[request->place];
    std::size_t limit = request->job.kind != JobKind::pipe ? 1 : std::max<std::size_t>(1, agents_.size() / 2);
    if (place.admitted >= limit) return place.parked.push_back(request);
    ++place.admitted;
  }
  queue_of(request->job).push_back(request);
}

// The request has its answer: the next one for its place may wait for an agent.
void AgentPool::leave(Request* request) {
  auto it = places_.find(request->place);
  if (request->place.empty() || it == places_.end()) return;
  Place& place = it->second;
  if (!place.parked.empty()) {
    queue_of(place.parked.front()->job).push_back(place.parked.front());
    place.parked.pop_front();
  } else if (--place.admitted == 0) {
    places_.erase(it);
  }
}

bool AgentPool::suits(const Agent& agent, const Job& job) const {
  AgentKind wanted = kind_for(job.kind);
  if (wanted == AgentKind::passwords || agent.kind == AgentKind::passwords) {
    return agent.kind == wanted && agent.under_way.empty();
  }
  bool alone = !has(AgentKind::deliveries) || !has(AgentKind::lookups);
  if (!alone && agent.kind != wanted) return false;
  if (agent.under_way.empty()) return true;
  if (wanted == AgentKind::lookups) return agent.kind == AgentKind::lookups && agent.under_way.size() < 64;
  if (!is_quick(job) || agent.slow > 0 || agent.under_way.size() >= (job.kind == JobKind::maildir ? mixed_depth : depth)) return false;
  if (job.kind == JobKind::maildir && agent.maildirs.size() >= maildirs_at_once) return false;
  return std::chrono::steady_clock::now() - agent.last_moved < stuck_after;
}

// The agent that has jobs for this Maildir, with room for one more.
AgentPool::Agent* AgentPool::home_of(const Job& job) const {
  auto it = job.kind == JobKind::maildir ? homes_.find(job.path) : homes_.end();
  return it != homes_.end() && it->second->under_way.size() < maildir_depth ? it->second : nullptr;
}

AgentPool::Agent* AgentPool::agent_for(const Job& job) const {
  if (Agent* home = home_of(job)) return home;
  Agent* best = nullptr;
  for (const auto& agent : agents_) {
    if (!suits(*agent, job)) continue;
    if (best == nullptr || agent->under_way.size() < best->under_way.size()) best = agent.get();
  }
  return best;
}

// The kinds of work don't wait for each other.
void AgentPool::dispatch() {
  for (auto& waiting : waiting_) dispatch(waiting);
}

void AgentPool::dispatch(std::deque<Request*>& waiting) {
  while (!waiting.empty()) {
    Request* request = waiting.front();
    Agent* best = agent_for(request->job);
    if (best == nullptr) return;
    waiting.pop_front();
    give(*best, request);
  }
}

// The agent has the job from here on, until forget_job().
void AgentPool::note_job(Agent& agent, Request* request) {
  if (agent.under_way.empty()) agent.last_moved = std::chrono::steady_clock::now();
  agent.under_way.emplace(request->job.serial, request);
  if (!is_quick(request->job)) ++agent.slow;
  if (request->job.kind != JobKind::maildir) return;
  ++agent.maildirs[request->job.path];
  homes_[request->job.path] = &agent;
}

void AgentPool::forget_job(Agent& agent, const Request& request) {
  agent.last_moved = std::chrono::steady_clock::now();
  agent.under_way.erase(request.job.serial);
  if (!is_quick(request.job)) --agent.slow;
  if (request.job.kind != JobKind::maildir) return;
  auto maildir = agent.maildirs.find(request.job.path);
  if (--maildir->second > 0) return;
  agent.maildirs.erase(maildir);
  auto home = homes_.find(request.job.path);
  if (home != homes_.end() && home->second == &agent) homes_.erase(home);
}

void AgentPool::give(Agent& agent, Request* request) {
  note_job(agent, request);
  auto sent = send(agent, *request);
  if (sent) return;
  forget_job(agent, *request);
  request->answer.status = Status(451, 3, 0, sent.error().text());
  leave(request);
  request->waiter.resume();
}

// The descriptor travels once for a journal segment, each time for a file of its own.
Result<> AgentPool::send(Agent& agent, Request& request) {
  int fd = -1;
  if (request.content.fd >= 0) {
    auto key = request.content.file_key;
    auto known = std::ranges::find(agent.slots, key, &std::pair<std::uint64_t, std::uint32_t>::first);
    if (key != 0 && known != agent.slots.end()) {
      request.job.message.fd_slot = known->second;
    } else if (key != 0) {
      std::uint32_t slot = agent.next_slot;
      agent.next_slot = first_kept_slot + (agent.next_slot - first_kept_slot + 1) % kept_slots;
      std::erase_if(agent.slots, [&](const auto& entry) { return entry.second == slot; });
      agent.slots.emplace_back(key, slot);
      request.job.message.fd_slot = slot;
      fd = request.content.fd;
    } else {
      request.job.message.fd_slot = one_off_slot;
      fd = request.content.fd;
    }
    request.job.message.offset = request.content.offset;
    request.job.message.length = request.content.length;
  }
  if (has_quota(request.job)) {
    auto known = uses_.find(request.job.path);
    if (known != uses_.end()) request.job.use = known->second;
  }
  auto packet = encode_job(request.job);
  if (!packet) return std::unexpected(packet.error());
  auto sent = agent.socket->send(*packet, fd);
  if (request.job.kind == JobKind::password_check) crypto::wipe(*packet);
  return sent;
}

void AgentPool::answered(Agent* agent, event::PacketSocket::Packet packet) {
  auto answer = decode_answer(packet.bytes);
  if (answer && !answer->output.empty()) crypto::wipe(packet.bytes);
  if (!answer) return;
  auto it = agent->under_way.find(answer->serial);
  if (it == agent->under_way.end()) return;
  Request* request = it->second;
  forget_job(*agent, *request);
  request->answer = std::move(*answer);
  remember_use(*request);
  leave(request);
  dispatch();
  request->waiter.resume();
}

void AgentPool::give_up_token_commands() {
  auto is_command = [](const Request* request) { return request->job.kind == JobKind::token_command; };
  std::vector<Request*> given_up;
  auto take = [&](std::deque<Request*>& from) {
    std::ranges::copy_if(from, std::back_inserter(given_up), is_command);
    std::erase_if(from, is_command);
  };
  for (auto& [name, place] : places_) take(place.parked);
  for (auto& waiting : waiting_) take(waiting);
  for (auto& agent : agents_) {
    auto before = static_cast<std::ptrdiff_t>(given_up.size());
    for (auto& [serial, request] : agent->under_way) {
      if (is_command(request)) given_up.push_back(request);
    }
    std::for_each(given_up.begin() + before, given_up.end(), [&](const Request* request) { forget_job(*agent, *request); });
  }
  if (!given_up.empty()) places_.erase(given_up.front()->place);
  for (Request* request : given_up) {
    request->answer.status = Status(451, 3, 0, "stopping");
    request->waiter.resume();
  }
}

// What went wrong may have left anything there: then it is counted again.
void AgentPool::remember_use(const Request& request) {
  if (!has_quota(request.job)) return;
  if (request.answer.use.counted == 0) {
    uses_.erase(request.job.path);
    return;
  }
  if (uses_.size() >= uses_kept) uses_.clear();
  uses_[request.job.path] = request.answer.use;
}

void AgentPool::died(Agent* agent) {
  auto it = std::ranges::find_if(agents_, [&](const auto& a) { return a.get() == agent; });
  if (it == agents_.end()) return;
  auto gone = std::move(*it);
  agents_.erase(it);
  std::erase_if(homes_, [&](const auto& home) { return home.second == agent; });
  for (auto& [serial, request] : gone->under_way) {
    request->answer.status = Status(451, 3, 0, "the delivery agent ended unexpectedly");
    remember_use(*request);
    leave(request);
    request->waiter.resume();
  }
  if (!has(AgentKind::passwords)) {
    auto& waiting = waiting_[static_cast<std::size_t>(AgentKind::passwords)];
    for (Request* request : std::exchange(waiting, {})) {
      request->answer.status = Status(451, 3, 0, "there is no agent that checks passwords");
      request->waiter.resume();
    }
  }
  dispatch();
}

}  // namespace mansio::deliver
