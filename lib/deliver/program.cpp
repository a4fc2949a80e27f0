#include "deliver/program.hpp"

#include <fcntl.h>
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
#include <cstring>
#include <utility>

namespace mansio::deliver {
namespace {

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
[[noreturn]] void become_program(char* const* argv, char* const* envp, int input, int output, int errors) {
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
  bool ready = ::chdir("/") == 0 && ::dup2(input, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(errors, 2) == 2;
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

int milliseconds_until(Program::Clock::time_point end) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Program::Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 3600'000));
}

}  // namespace

Result<> Program::start(Options options) {
  options_ = std::move(options);
  auto in = make_pipe();
  if (!in) return std::unexpected(in.error());
  auto out = make_pipe();
  if (!out) return std::unexpected(out.error());
  UniqueFd nowhere;
  if (options_.output_is_secret) {
    nowhere.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (!nowhere) return fail_errno("open /dev/null");
    output_.reserve(options_.output_limit);      // no half of it stays behind where it grew out of its memory
  }
  int errors = nowhere ? nowhere.get() : out->write.get();
  auto argv = pointers(options_.words), envp = pointers(options_.environment);
  pid_ = ::fork();
  if (pid_ < 0) return fail_errno("fork");
  if (pid_ == 0) become_program(argv.data(), envp.data(), in->read.get(), out->write.get(), errors);
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
    auto size = static_cast<std::size_t>(n), room = options_.output_limit - output_.size();
    overflow_ = overflow_ || size > room;
    output_.append(buffer.data(), std::min(size, room));
    if (options_.output_is_secret) ::explicit_bzero(buffer.data(), size);
  }
}

Result<> Program::feed(std::string_view block, Clock::time_point end) {
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

Result<int> Program::wait(Clock::time_point end) {
  for (bool ended = false;;) {
    std::array<pollfd, 3> fds{pollfd{ended ? -1 : process_.get(), POLLIN, 0}, pollfd{output_end_ ? output_end_.get() : -1, POLLIN, 0},
                              pollfd{options_.peer, 0, 0}};      // whose hanging up needs no asking
    int ready = ::poll(fds.data(), fds.size(), milliseconds_until(end));
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    if (output_end_) read_output();
    if (overflow_ && options_.output_is_secret) return fail(Fault::too_long, "the program's output is too long");
    if (fds[2].revents != 0) return fail(Fault::closed, "nobody waits for the program");
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

}  // namespace mansio::deliver
