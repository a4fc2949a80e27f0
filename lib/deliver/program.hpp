// A program that an agent runs: without a shell, with three descriptors, "/" as its directory, default signals, a process
// group of its own, no core dumps and no way to gain rights. Its input is fed and its output read side by side, so that
// neither blocks the other. Its process group ends with this object.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::deliver {

class Program {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::vector<std::string> words, environment;
    std::size_t output_limit = 4096;   // what comes after it is read and dropped
    bool output_is_secret = false;     // standard error goes nowhere, and more than output_limit is Fault::too_long
    int peer = -1;                     // of a channel: when it hangs up, nobody waits any more (Fault::closed)
  };

  Program() = default;
  ~Program() { stop(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Result<> start(Options options);
  // Fault::timed_out when `end` comes first. A program that wants no more input is no error: accepts_input() tells.
  Result<> feed(std::string_view block, Clock::time_point end);
  void close_input() { input_.reset(); }
  bool accepts_input() const noexcept { return static_cast<bool>(input_); }
  Result<int> wait(Clock::time_point end);      // the status of waitpid
  std::string& output() noexcept { return output_; }
  std::uint64_t bytes() const noexcept { return bytes_; }      // that it was fed

 private:
  void read_output();
  void stop();

  Options options_;
  pid_t pid_ = -1;
  UniqueFd process_, input_, output_end_;
  std::string output_;
  std::uint64_t bytes_ = 0;
  bool overflow_ = false;
};

}  // namespace mansio::deliver
