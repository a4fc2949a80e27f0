// A delivery agent: takes jobs from a socket, one at a time, and answers each. As root it never touches a mailbox
// itself but through a child for each user, which has become that user for good; the children used last are kept, so
// that a delivery costs no fork. Not as root it delivers as itself, and defers what belongs to anybody else.
// It reads no byte from the network, and of a message only its bytes, never its meaning.
#pragma once
#include <list>
#include <map>
#include <memory>

#include "base/unique_fd.hpp"
#include "deliver/job.hpp"
#include "deliver/maildir.hpp"

namespace mansio::deliver {

struct AgentOptions {
  // Only for a daemon that root runs with run_as = "" (a demonstration, a test): mailboxes of uid 0 are written,
  // programs and ~/.forward of uid 0 still refused (S-109).
  bool may_be_root = false;
  std::size_t children = 8;                            // kept at once
  std::chrono::seconds child_idle{60};                 // then it ends
};

// Does a job with the rights of the calling process. `message` is the descriptor, or -1 for a look-up.
class Worker {
 public:
  Answer run(const Job& job, int message);

 private:
  MaildirCache maildirs_;
};

class Agent {
 public:
  Agent(int channel, AgentOptions options) : channel_(channel), options_(options) {}
  // Until the peer closes the channel. The exit status for the process: 0, or 70 after a packet that breaks the protocol.
  int serve();
  // One job, already decoded; `attached` is the descriptor that came with it.
  Answer run(const Job& job, UniqueFd attached);

 private:
  struct Child {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string user;
    UniqueFd channel;
  };

  Result<int> message_of(const Job& job, UniqueFd attached);
  Answer run_as_user(const Job& job, int message);
  Answer lookup(const Job& job);
  Result<Child*> child_for(const Job& job);
  Result<Answer> ask_child(Child& child, const Job& job, int message);

  int channel_;
  AgentOptions options_;
  std::map<std::uint32_t, UniqueFd> slots_;
  std::list<Child> children_;     // the most recent first
  Worker self_;
};

// The whole life of `mansiod: deliver N`: limits, capabilities, then serve. `channel` is its end of the socketpair.
int agent_main(int channel, AgentOptions options);

}  // namespace mansio::deliver
