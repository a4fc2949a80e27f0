#include "deliver/agent_pool.hpp"

#include <algorithm>
#include <utility>

namespace mansio::deliver {
namespace {

// An agent works on one job at a time; a second Maildir job waits in its socket so that it never idles between two.
// A job that may block (a lock, a program) has its agent to itself.
constexpr std::size_t depth = 2;
constexpr std::uint32_t first_kept_slot = one_off_slot + 1, kept_slots = 32;

AgentKind kind_for(JobKind kind) {
  if (kind == JobKind::password_check) return AgentKind::passwords;
  bool lookup = kind == JobKind::user_lookup || kind == JobKind::read_forward;
  return lookup ? AgentKind::lookups : AgentKind::deliveries;
}

// What jobs block on together: a lock, or a program of the same user.
std::string place_of(const Job& job) {
  if (job.kind == JobKind::mbox) return job.path;
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
    std::size_t limit = request->job.kind == JobKind::mbox ? 1 : std::max<std::size_t>(1, agents_.size() / 2);
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
  if (job.kind != JobKind::maildir || agent.under_way.size() >= depth) return false;
  return std::ranges::all_of(agent.under_way, [](const auto& entry) { return entry.second->job.kind == JobKind::maildir; });
}

// The kinds of work don't wait for each other.
void AgentPool::dispatch() {
  for (auto& waiting : waiting_) dispatch(waiting);
}

void AgentPool::dispatch(std::deque<Request*>& waiting) {
  while (!waiting.empty()) {
    Request* request = waiting.front();
    Agent* best = nullptr;
    for (auto& agent : agents_) {
      if (!suits(*agent, request->job)) continue;
      if (best == nullptr || agent->under_way.size() < best->under_way.size()) best = agent.get();
    }
    if (best == nullptr) return;
    waiting.pop_front();
    give(*best, request);
  }
}

void AgentPool::give(Agent& agent, Request* request) {
  agent.under_way.emplace(request->job.serial, request);
  auto sent = send(agent, *request);
  if (sent) return;
  agent.under_way.erase(request->job.serial);
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
  auto packet = encode_job(request.job);
  if (!packet) return std::unexpected(packet.error());
  auto sent = agent.socket->send(*packet, fd);
  if (request.job.kind == JobKind::password_check) crypto::wipe(*packet);
  return sent;
}

void AgentPool::answered(Agent* agent, event::PacketSocket::Packet packet) {
  auto answer = decode_answer(packet.bytes);
  if (!answer) return;
  auto it = agent->under_way.find(answer->serial);
  if (it == agent->under_way.end()) return;
  Request* request = it->second;
  agent->under_way.erase(it);
  request->answer = std::move(*answer);
  leave(request);
  dispatch();
  request->waiter.resume();
}

void AgentPool::died(Agent* agent) {
  auto it = std::ranges::find_if(agents_, [&](const auto& a) { return a.get() == agent; });
  if (it == agents_.end()) return;
  auto gone = std::move(*it);
  agents_.erase(it);
  for (auto& [serial, request] : gone->under_way) {
    request->answer.status = Status(451, 3, 0, "the delivery agent ended unexpectedly");
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
