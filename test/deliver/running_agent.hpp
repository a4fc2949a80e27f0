// An agent in a process of its own, and the mail process's end of its channel.
#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>

#include "deliver/agent.hpp"
#include "deliver/identity.hpp"
#include "deliver/packet_channel.hpp"

namespace mansio::deliver {

// `mansiod: deliver` in a process of its own, as the daemon runs it.
class RunningAgent {
 public:
  // `user`: whom root becomes before; 0: nobody.
  explicit RunningAgent(AgentOptions options = {}, uid_t user = 0) {
    auto pair = make_channel();
    if (!pair) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      pair->ours.reset();
      if (user != 0 && !become(user, user, "")) ::_exit(1);
      ::_exit(agent_main(pair->theirs.release(), options));
    }
    channel_ = std::move(pair->ours);
  }
  ~RunningAgent() { end(); }
  RunningAgent(const RunningAgent&) = delete;
  RunningAgent& operator=(const RunningAgent&) = delete;

  Answer ask(const Job& job, int fd = -1) {
    tell(job, fd);
    auto answer = next_answer();
    CHECK(answer.serial == job.serial);
    return answer;
  }
  Answer next_answer() {
    REQUIRE(is_readable(channel_.get(), std::chrono::seconds(20)).value());
    auto packet = receive_packet(channel_.get());
    REQUIRE(packet);
    auto answer = decode_answer(packet->bytes);
    REQUIRE(answer);
    return *answer;
  }
  void tell(const Job& job, int fd = -1) {
    auto packet = encode_job(job);
    REQUIRE(packet);
    REQUIRE(send_packet(channel_.get(), *packet, fd));
  }
  int channel() const { return channel_.get(); }
  int end() {
    if (pid_ < 0) return -1;
    channel_.reset();
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd channel_;
};

}  // namespace mansio::deliver
