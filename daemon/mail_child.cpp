#include "mail_child.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "spool/shard.hpp"

namespace mansio::daemon {

Duration MailChild::died(MonotonicTime now) {
  constexpr std::chrono::seconds long_life{60};
  constexpr int longest = 30;
  pid = -1;
  channel.reset();
  leaving.insert(leaving.end(), agents.begin(), agents.end());
  agents.clear();
  patience = now + std::chrono::seconds(10);
  restarts = now - started > long_life ? 0 : restarts + 1;
  return std::chrono::seconds(restarts == 0 ? 0 : std::min(longest, 1 << std::min(restarts - 1, 5)));
}

std::vector<int> shards_with_mail(const std::string& spool_directory, int first) {
  std::vector<int> out;
  for (int number = first; number < spool::shard_limit; ++number) {
    std::string directory = fmt::format("{}/{}", spool_directory, number);
    bool used = ::access((directory + "/format").c_str(), F_OK) == 0;
    bool drained = ::access((directory + "/" + spool::empty_mark).c_str(), F_OK) == 0;
    if (used && !drained) out.push_back(number);
  }
  return out;
}

std::string describe_exit(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was killed by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace mansio::daemon
