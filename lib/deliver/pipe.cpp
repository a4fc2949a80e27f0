#include "deliver/pipe.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/unique_fd.hpp"
#include "deliver/content.hpp"

namespace mansio::deliver {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t output_limit = 4096;        // kept for the log; the rest is read and dropped
constexpr std::chrono::seconds linger{2};         // for output, after the program itself ended
constexpr int exec_failed = 127;

struct Ends {
  UniqueFd read, write;
};

Result<Ends> make_pipe() {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) return fail_errno("pipe");
  return Ends{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// After fork: only calls that are safe there, nothing that allocates.
[[noreturn]] void run_program(char* const* argv, char* const* envp, int input, int output) {
  ::setpgid(0, 0);
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  struct rlimit no_core {0, 0}, files {1024, 1024};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::umask(077);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  bool ready = ::chdir("/") == 0 && ::dup2(input, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(output, 2) == 2;
  if (ready && ::close_range(3, ~0u, 0) == 0) ::execve(argv[0], argv, envp);
  const char* reason = ::strerrordesc_np(errno);
  constexpr std::string_view prefix = "can't be run: ";
  if (reason != nullptr && ::write(2, prefix.data(), prefix.size()) > 0) {
    [[maybe_unused]] auto told = ::write(2, reason, std::strlen(reason));
  }
  ::_exit(exec_failed);
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

// A program under way: its input is fed and its output read side by side, so neither can block the other.
class Program {
 public:
  Result<> start(const Job& job);
  ~Program() { stop(); }
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Result<> feed(const Job& job, int message, Clock::time_point end);
  Result<int> wait(Clock::time_point end);      // the status of waitpid
  const std::string& output() const noexcept { return output_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  Result<> feed_block(std::string_view block, Clock::time_point end);
  void read_output();
  void stop();

  pid_t pid_ = -1;
  UniqueFd process_, input_, output_end_;
  std::string output_;
  std::uint64_t bytes_ = 0;
};

Result<> Program::start(const Job& job) {
  auto in = make_pipe();
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  auto words = job.command;
  auto environment = make_environment(job);
  auto argv = pointers(words), envp = pointers(environment);
  pid_ = ::fork();
  if (pid_ < 0) return fail_errno("fork");
  if (pid_ == 0) run_program(argv.data(), envp.data(), in->read.get(), out->write.get());
  ::setpgid(pid_, pid_);   // also here: whoever is first; a kill of the group must not come too early
  process_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process_) return fail_errno("pidfd_open");
  input_ = std::move(in->write);
  output_end_ = std::move(out->read);
  ::fcntl(input_.get(), F_SETFL, O_NONBLOCK);
  ::fcntl(output_end_.get(), F_SETFL, O_NONBLOCK);
  return {};
}

void Program::read_output() {
  std::array<char, 4096> buffer;
  for (int i = 0; i < 16 && output_end_; ++i) {
    ssize_t n = ::read(output_end_.get(), buffer.data(), buffer.size());
    if (n == 0) output_end_.reset();
    if (n <= 0) return;
    output_.append(buffer.data(), std::min(static_cast<std::size_t>(n), output_limit - output_.size()));
  }
}

int milliseconds_until(Clock::time_point end) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 3600'000));
}

Result<> Program::feed_block(std::string_view block, Clock::time_point end) {
  while (!block.empty() && input_) {
    std::array<pollfd, 2> fds{pollfd{input_.get(), POLLOUT, 0}, pollfd{output_end_ ? output_end_.get() : -1, POLLIN, 0}};
    int ready = ::poll(fds.data(), fds.size(), milliseconds_until(end));
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    if (ready == 0 || Clock::now() >= end) return fail(Fault::timed_out, "the program did not end in time");
    if (fds[1].revents != 0) read_output();
    if (fds[0].revents == 0) continue;
    ssize_t n = ::write(input_.get(), block.data(), block.size());
    if (n < 0 && errno == EPIPE) input_.reset();   // it wants no more; its exit status says what that means
    else if (n < 0 && errno != EAGAIN && errno != EINTR) return fail_errno("write to the program");
    else if (n > 0) {
      block.remove_prefix(static_cast<std::size_t>(n));
      bytes_ += static_cast<std::uint64_t>(n);
    }
  }
  return {};
}

Result<> Program::feed(const Job& job, int message, Clock::time_point end) {
  Content content(job, message);
  while (input_) {
    auto block = content.next();
    if (!block) return std::unexpected(block.error());
    if (block->empty()) break;
    if (auto fed = feed_block(*block, end); !fed) return fed;
  }
  input_.reset();
  return {};
}

Result<int> Program::wait(Clock::time_point end) {
  for (bool ended = false;;) {
    std::array<pollfd, 2> fds{pollfd{ended ? -1 : process_.get(), POLLIN, 0}, pollfd{output_end_ ? output_end_.get() : -1, POLLIN, 0}};
    int ready = ::poll(fds.data(), fds.size(), milliseconds_until(end));
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    if (output_end_) read_output();
    if (fds[0].revents != 0) {
      ended = true;
      end = std::min(end, Clock::now() + linger);   // something it left behind may hold the output open
    }
    bool late = ready == 0 || Clock::now() >= end;
    if (!ended && late) return fail(Fault::timed_out, "the program did not end in time");
    if (!ended || (output_end_ && !late)) continue;
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) return fail_errno("waitpid");
    pid_ = -1;
    return status;
  }
}

void Program::stop() {
  if (pid_ <= 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

Result<Status> run(const Job& job, int message, std::uint64_t& bytes) {
  Program program;
  auto end = Clock::now() + job.timeout;
  if (auto started = program.start(job); !started) return std::unexpected(started.error());
  if (auto fed = program.feed(job, message, end); !fed) return std::unexpected(fed.error());
  auto status = program.wait(end);
  if (!status) return std::unexpected(status.error());
  bytes = program.bytes();
  if (WIFSIGNALED(*status)) return Status(451, 3, 0, fmt::format("the program was ended by signal {}", WTERMSIG(*status)));
  return status_of_exit(WEXITSTATUS(*status), program.output());
}

}  // namespace

Answer deliver_pipe(const Job& job, int message) {
  Answer answer;
  answer.serial = job.serial;
  auto status = run(job, message, answer.bytes);
  if (status) {
    answer.status = Status(status->code(), status->enhanced().subject, status->enhanced().detail, job.command[0] + ": " + status->text());
  } else {
    answer.status = local_trouble(status.error(), job.command[0]);
    answer.sys = status.error().sys();
  }
  return answer;
}

}  // namespace mansio::deliver
