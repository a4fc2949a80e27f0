// A delivery agent: takes jobs from a socket and answers each. As root it never touches a mailbox itself but through a
// child for each user (user_processes.hpp). Not as root it delivers as itself, and defers what belongs to anybody else.
// It reads no byte from the network, and of a message only its bytes, never its meaning.
#pragma once
#include <map>

#include "base/unique_fd.hpp"
#include "deliver/job.hpp"
#include "deliver/user_processes.hpp"
#include "deliver/worker.hpp"

namespace mansio::deliver {

struct AgentOptions {
  // Only for a daemon that root runs with run_as = "" (a demonstration, a test): mailboxes of uid 0 are written,
  // programs and ~/.forward of uid 0 still refused (S-109).
  bool may_be_root = false;
  std::size_t children = 8;                            // kept at once
  std::chrono::seconds child_idle{60};                 // then it ends
};

class Agent {
 public:
  Agent(int channel, AgentOptions options);
  // Until the peer closes the channel. The exit status for the process: 0, or 70 after a packet that breaks the protocol.
  int serve();

 private:
  enum class Hands : std::uint8_t { ours, users, done };
  void take(std::vector<Work> work);
  Hands hands_for(Work& work);
  bool look_up(Work& work);
  Answer run_as_root(const Job& job);
  void answered(Answer answer);
  void finish();

  int channel_;
  AgentOptions options_;
  WorkReader reader_;
  Worker self_;
  UserProcesses users_;
  std::map<std::uint64_t, Answer> found_;     // users whose ~/.forward is being read, by serial
  bool peer_is_gone_ = false;
};

// The whole life of `mansiod: deliver N`: limits, capabilities, then serve. `channel` is its end of the socketpair.
int agent_main(int channel, AgentOptions options);

}  // namespace mansio::deliver
