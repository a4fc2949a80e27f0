// inject PID CALL [ARGUMENT…]: has a running process make a system call, as somebody would who has taken it over, and tells
// what came of it: "returned N" (a negative N is -errno) or "killed N". CALL is a number; an argument is a number, or s:TEXT for the
// address of a text. Root alone may; x86_64 alone.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

[[noreturn]] void give_up(const char* doing) {
  std::perror(doing);
  std::exit(70);
}

// What lies at an address of the process, also where it may not write.
void write_memory(int memory, unsigned long at, const std::string& bytes) {
  if (::pwrite(memory, bytes.data(), bytes.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(bytes.size())) give_up("write its memory");
}

std::string read_memory(int memory, unsigned long at, std::size_t size) {
  std::string bytes(size, '\0');
  if (::pread(memory, bytes.data(), size, static_cast<off_t>(at)) != static_cast<ssize_t>(size)) give_up("read its memory");
  return bytes;
}

// Numbers as they are, texts put below the stack.
std::vector<unsigned long> prepare(int memory, unsigned long stack, int count, char** words) {
  std::vector<unsigned long> values(6, 0);
  unsigned long room = stack - 16384;
  for (int i = 0; i < count && i < 6; ++i) {
    auto& value = values[static_cast<std::size_t>(i)];
    if (std::strncmp(words[i], "s:", 2) != 0) {
      value = static_cast<unsigned long>(std::strtoll(words[i], nullptr, 0));
      continue;
    }
    value = room;
    std::string text(words[i] + 2);
    text.push_back('\0');
    write_memory(memory, room, text);
    room += text.size() + 64;
  }
  return values;
}

void tell_if_over(int status) {
  if (WIFSIGNALED(status)) std::printf("killed %d\n", WTERMSIG(status));
  else if (WIFEXITED(status)) std::printf("ended %d\n", WEXITSTATUS(status));
  else return;
  std::exit(0);
}

// One instruction further; signals that come meanwhile are its own affair.
void step(pid_t pid) {
  int status = 0;
  for (int signal = 0;;) {
    if (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, signal) != 0) give_up("step");
    if (::waitpid(pid, &status, __WALL) != pid) give_up("wait for it");
    tell_if_over(status);
    if (WSTOPSIG(status) == SIGTRAP) return;
    if (WSTOPSIG(status) == SIGSYS) break;
    signal = WSTOPSIG(status);
  }
  // The filter's answer: let it come to its end.
  for (int signal = SIGSYS;; signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status)) {      // a trap is of the step before
    if (::ptrace(PTRACE_CONT, pid, nullptr, signal) != 0) give_up("go on");
    if (::waitpid(pid, &status, __WALL) != pid) give_up("wait for it");
    tell_if_over(status);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 64;
  pid_t pid = std::atoi(words[1]);
  int status = 0;
  if (::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) != 0) give_up("seize");
  if (::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) != 0 || ::waitpid(pid, &status, __WALL) != pid) give_up("interrupt");
  user_regs_struct before{}, now{};
  if (::ptrace(PTRACE_GETREGS, pid, nullptr, &before) != 0) give_up("read its registers");
  int memory = ::open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDWR | O_CLOEXEC);
  if (memory < 0) give_up("open its memory");
  const std::string instruction("\x0f\x05", 2);
  std::string code = read_memory(memory, before.rip, instruction.size());
  now = before;
  auto values = prepare(memory, before.rsp, count - 3, words + 3);
  now.rax = static_cast<unsigned long>(std::atoll(words[2]));
  now.orig_rax = ~0ul;       // it is in no system call that would be started again
  now.rdi = values[0], now.rsi = values[1], now.rdx = values[2], now.r10 = values[3], now.r8 = values[4], now.r9 = values[5];
  write_memory(memory, before.rip, instruction);
  if (::ptrace(PTRACE_SETREGS, pid, nullptr, &now) != 0) give_up("set its registers");
  step(pid);
  if (::ptrace(PTRACE_GETREGS, pid, nullptr, &now) != 0) give_up("read its registers");
  std::printf("returned %lld\n", static_cast<long long>(now.rax));
  write_memory(memory, before.rip, code);
  if (::ptrace(PTRACE_SETREGS, pid, nullptr, &before) != 0) give_up("set its registers");
  if (::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) != 0) give_up("let go of it");
  return 0;
}
