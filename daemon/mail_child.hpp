// One mail process as its parent sees it: its channel, its agents, and what is to become of it after its end.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/quantity.hpp"
#include "base/unique_fd.hpp"
#include "deliver/agent_pool.hpp"

namespace mansio::daemon {

struct Agent {
  pid_t pid = -1;
  deliver::AgentKind kind = deliver::AgentKind::deliveries;
  int number = 0;
};

struct MailChild {
  explicit MailChild(int n, bool d = false) : number(n), drains(d) {}

  int number;                    // and that of its spool shard
  bool drains;                   // beyond mail_processes: it takes no mail, and only delivers what its shard holds
  pid_t pid = -1;                // -1: it doesn't run
  UniqueFd channel;
  std::vector<Agent> agents;
  std::vector<Agent> lacking;    // that could not be started, for want of processes or descriptors
  MonotonicTime try_again{};     // when they are tried again
  std::vector<Agent> leaving;    // of the process before: their channels are closed, each ends after the job it is at
  MonotonicTime patience{};      // until when they may take for that
  bool ready = false;            // it has been, once
  std::uint64_t configured = 0;  // the generation of the configuration that it has in use
  std::string refused;           // the system call for which it is being killed
  int restarts = 0;
  MonotonicTime started{};
  std::optional<MonotonicTime> due;        // when it is to be started again

  bool alive() const noexcept { return pid > 0; }
  bool gone() const noexcept { return pid < 0 && leaving.empty(); }
  // Notes that it died now; after how long it is to be started again: at once after a long life, up to half a minute when
  // it keeps dying.
  Duration died(MonotonicTime now);
};

// Shards of `spool_directory` from number `first` on in which mail may be: those of processes that there were once.
std::vector<int> shards_with_mail(const std::string& spool_directory, int first);

// "was killed by signal 9 (Killed)", of a status of waitpid.
std::string describe_exit(int status);

}  // namespace mansio::daemon
