// The jobs that come through an agent's channel, and doing them with the rights of the calling process: an agent's own,
// or a child's of it that has become a user. All that has come is taken at once, so that deliveries into Maildirs share
// their syncs (maildir.hpp); how many those are is decided by how long the syncs before took.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/unique_fd.hpp"
#include "deliver/job.hpp"
#include "deliver/maildir.hpp"

namespace mansio::deliver {

using MessageFile = std::shared_ptr<const UniqueFd>;

struct Work {
  Work(Job j, MessageFile m) : job(std::move(j)), message(std::move(m)) {}
  int fd() const noexcept { return message ? message->get() : -1; }
  Job job;
  MessageFile message;          // null: none, or the agent has no such message open
  Answer answer;
};

// An answer to the job, with nothing but a status.
Answer refusal(const Job& job, Status status, int sys = 0);

// Decodes jobs; keeps the descriptors that came with them under their slots, as the mail process has it, unless
// `keeps` is false: then each job comes with its own.
class WorkReader {
 public:
  static constexpr std::size_t jobs_at_once = 64;
  static constexpr std::uint64_t bytes_at_once = 1u << 20;      // of content: a large message is written alone

  WorkReader(int channel, bool keeps) : channel_(channel), keeps_(keeps) {}
  // What has come, in its order; waits for the first packet. May be empty (a `forget`). Fault::closed at the end of the
  // peer; any other error is a packet that breaks the protocol.
  Result<std::vector<Work>> read();

 private:
  MessageFile message_of(const Job& job, UniqueFd attached);

  int channel_;
  bool keeps_;
  std::map<std::uint32_t, MessageFile> slots_;
};

// False when the peer is gone.
bool send_answer(int channel, const Answer& answer);

// Does jobs with the rights of the calling process.
class Worker {
 public:
  // What runs for a long time for the peer of `channel` alone (or -1) ends when that hangs up.
  explicit Worker(int channel = -1) : channel_(channel) {}
  // Each gets its answer.
  void run(std::span<Work> work);
  // `message` is the descriptor, or -1 for a look-up.
  Answer run(const Job& job, int message);

 private:
  int channel_;
  MaildirCache maildirs_;
};

}  // namespace mansio::deliver
