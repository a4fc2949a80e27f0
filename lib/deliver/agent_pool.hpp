// The delivery agents as the event loop sees them: jobs go out, answers come back, nothing waits. Agents are processes
// the parent starts; each comes as the end of a socketpair and may come and go. One is kept for look-ups, so that
// a slow mailbox never holds up RCPT; two for passwords, when PAM is asked; the others take deliveries. A mailbox that
// somebody holds locked, or a program that hangs, never has all of them: one job at a time for an mbox file, half of the
// agents for a user's programs (S-105). A drop directory with a quota has one job at a time, too, so that what it holds is
// known from one to the next, whichever agent has it.
#pragma once
#include <array>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "deliver/job.hpp"
#include "event/packet_socket.hpp"
#include "event/task.hpp"
#include "spool/spool.hpp"

namespace mansio::deliver {

// What an agent is for. Where there is none for look-ups or none for deliveries, the others do both; passwords are the
// work of their own agents alone.
enum class AgentKind : std::uint8_t { lookups, deliveries, passwords };
inline constexpr std::size_t agent_kinds = 3;

class AgentPool {
 public:
  explicit AgentPool(event::Loop& loop);
  ~AgentPool();
  AgentPool(const AgentPool&) = delete;
  AgentPool& operator=(const AgentPool&) = delete;

  // A new agent's channel. Jobs that waited for one go to it.
  Result<> add(UniqueFd channel, AgentKind kind);

  // Does the job in an agent. `content` (by value: it keeps the file open) may be empty for look-ups. When the agent
  // dies under it the answer is 451, and the delivery may or may not have happened: repeat it as maybe_repeated.
  // A password_check never waits for an agent to come: without one it is 451 at once.
  event::Task<Answer> run(Job job, spool::Content content);

  // The answer to all token_command jobs is 451 at once; an agent that has one goes on with it until its channel closes.
  void give_up_token_commands();

  // Jobs that wait for an agent of the kind.
  std::size_t waiting(AgentKind kind) const noexcept { return waiting_[static_cast<std::size_t>(kind)].size(); }
  std::size_t agents() const noexcept { return agents_.size(); }
  void close();     // drops the agents: they end when their channel closes

 private:
  struct Request {
    Request(Job j, spool::Content c) : job(std::move(j)), content(std::move(c)) {}
    Job job;
    spool::Content content;
    Answer answer;
    std::coroutine_handle<> waiter;
    std::string place;               // what it may block on, or ""
  };
  struct Place {
    std::size_t admitted = 0;        // waiting for an agent or under way
    std::deque<Request*> parked;     // until one of those is done
  };
  struct Agent;
  struct Wait;

  void admit(Request* request);
  void leave(Request* request);
  std::deque<Request*>& queue_of(const Job& job) noexcept;
  void dispatch();
  void dispatch(std::deque<Request*>& waiting);
  void remember_use(const Request& request);
  bool has(AgentKind kind) const noexcept;
  bool suits(const Agent& agent, const Job& job) const;
  Agent* home_of(const Job& job) const;
  Agent* agent_for(const Job& job) const;
  void note_job(Agent& agent, Request* request);
  void forget_job(Agent& agent, const Request& request);
  void give(Agent& agent, Request* request);
  Result<> send(Agent& agent, Request& request);
  void answered(Agent* agent, event::PacketSocket::Packet packet);
  void died(Agent* agent);

  event::Loop& loop_;
  std::vector<std::unique_ptr<Agent>> agents_;
  std::array<std::deque<Request*>, agent_kinds> waiting_;
  std::unordered_map<std::string, Place> places_;
  std::unordered_map<std::string, Agent*> homes_;           // by Maildir: who has jobs for it
  std::unordered_map<std::string, DirectoryUse> uses_;      // of drop directories with a quota
  std::uint64_t next_serial_ = 1;
};

}  // namespace mansio::deliver
