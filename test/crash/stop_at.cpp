// Runs a program and all that it starts under ptrace and counts the system calls of some of its processes that reach
// outside of them; at the entry of the Nth it kills.
//
//   stop_at [--role TITLE] [--at N] [--only] [--all] [--armed] [--record FILE] -- PROGRAM ARGUMENT...
//
// --role: counts in processes whose title holds this text; --at 0: never kills; --only: kills the process that was hit, not
// all; --all: counts calls that only look, too; counting begins with SIGUSR1, or at once when --armed. FILE gets a line for
// each call that is counted ("N title call what"), and "killed" at the end.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {

volatile std::sig_atomic_t armed = 0;

// Where a call's file is: in the argument `fd`, or named by the argument `path`; -1: nowhere.
struct Call {
  const char* name;
  int fd, path;
  bool looks = false;      // and changes nothing
};

const std::map<long, Call> calls = {
  {SYS_openat, {"openat", -1, 1}}, {SYS_open, {"open", -1, 0}}, {SYS_creat, {"creat", -1, 0}},
  {SYS_write, {"write", 0, -1}}, {SYS_pwrite64, {"pwrite64", 0, -1}}, {SYS_writev, {"writev", 0, -1}}, {SYS_pwritev, {"pwritev", 0, -1}},
  {SYS_fsync, {"fsync", 0, -1}}, {SYS_fdatasync, {"fdatasync", 0, -1}}, {SYS_sync_file_range, {"sync_file_range", 0, -1}},
  {SYS_rename, {"rename", -1, 0}}, {SYS_renameat, {"renameat", -1, 1}}, {SYS_renameat2, {"renameat2", -1, 1}},
  {SYS_link, {"link", -1, 1}}, {SYS_linkat, {"linkat", -1, 3}}, {SYS_symlink, {"symlink", -1, 0}},
  {SYS_unlink, {"unlink", -1, 0}}, {SYS_unlinkat, {"unlinkat", -1, 1}},
  {SYS_mkdir, {"mkdir", -1, 0}}, {SYS_mkdirat, {"mkdirat", -1, 1}}, {SYS_rmdir, {"rmdir", -1, 0}},
  {SYS_truncate, {"truncate", -1, 0}}, {SYS_ftruncate, {"ftruncate", 0, -1}}, {SYS_fallocate, {"fallocate", 0, -1}},
  {SYS_copy_file_range, {"copy_file_range", 2, -1}}, {SYS_sendfile, {"sendfile", 0, -1}}, {SYS_splice, {"splice", 2, -1}},
  {SYS_chmod, {"chmod", -1, 0}}, {SYS_fchmod, {"fchmod", 0, -1}}, {SYS_fchmodat, {"fchmodat", -1, 1}},
  {SYS_chown, {"chown", -1, 0}}, {SYS_fchown, {"fchown", 0, -1}}, {SYS_fchownat, {"fchownat", -1, 1}},
  {SYS_utimensat, {"utimensat", -1, 1}}, {SYS_flock, {"flock", 0, -1}}, {SYS_close, {"close", 0, -1}},
  {SYS_sendto, {"sendto", 0, -1}}, {SYS_sendmsg, {"sendmsg", 0, -1}}, {SYS_sendmmsg, {"sendmmsg", 0, -1}},
  {SYS_recvfrom, {"recvfrom", 0, -1}}, {SYS_recvmsg, {"recvmsg", 0, -1}}, {SYS_read, {"read", 0, -1}},
  {SYS_accept4, {"accept4", 0, -1}}, {SYS_accept, {"accept", 0, -1}}, {SYS_connect, {"connect", 0, -1}}, {SYS_shutdown, {"shutdown", 0, -1}},
  {SYS_socket, {"socket", -1, -1}}, {SYS_socketpair, {"socketpair", -1, -1}}, {SYS_bind, {"bind", 0, -1}}, {SYS_listen, {"listen", 0, -1}},
  {SYS_clone, {"clone", -1, -1}}, {SYS_clone3, {"clone3", -1, -1}}, {SYS_fork, {"fork", -1, -1}}, {SYS_vfork, {"vfork", -1, -1}},
  {SYS_execve, {"execve", -1, 0}}, {SYS_kill, {"kill", -1, -1}}, {SYS_wait4, {"wait4", -1, -1}},
  {SYS_setresuid, {"setresuid", -1, -1}}, {SYS_setresgid, {"setresgid", -1, -1}}, {SYS_setgroups, {"setgroups", -1, -1}}, {SYS_chdir, {"chdir", -1, 0}},
  {SYS_exit_group, {"exit_group", -1, -1}},
  {SYS_pread64, {"pread64", 0, -1, true}}, {SYS_stat, {"stat", -1, 0, true}}, {SYS_lstat, {"lstat", -1, 0, true}}, {SYS_fstat, {"fstat", 0, -1, true}},
  {SYS_newfstatat, {"newfstatat", -1, 1, true}}, {SYS_statx, {"statx", -1, 1, true}}, {SYS_access, {"access", -1, 0, true}}, {SYS_faccessat2, {"faccessat2", -1, 1, true}},
  {SYS_readlink, {"readlink", -1, 0, true}}, {SYS_getdents64, {"getdents64", 0, -1, true}}, {SYS_lseek, {"lseek", 0, -1, true}},
  {SYS_fstatfs, {"fstatfs", 0, -1, true}}, {SYS_fcntl, {"fcntl", 0, -1, true}},
};

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string link_of(pid_t pid, unsigned long fd) {
  char to[4096];
  std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(static_cast<int>(fd));
  ssize_t n = ::readlink(link.c_str(), to, sizeof to);
  return n < 0 ? std::string("?") : std::string(to, static_cast<std::size_t>(n));
}

std::string text_at(pid_t pid, unsigned long address) {
  std::string out;
  while (out.size() < 4096) {
    errno = 0;
    long word = ::ptrace(PTRACE_PEEKDATA, pid, address + out.size(), nullptr);
    if (errno != 0) break;
    for (std::size_t i = 0; i < sizeof word; ++i) {
      char c = static_cast<char>(word >> (8 * i));
      if (c == '\0') return out;
      out += c;
    }
  }
  return out;
}

class Tracer {
 public:
  std::string role;
  long at = 0;
  bool only = false, all = false;
  std::ofstream record;

  int run(char** command) {
    root_ = ::fork();
    if (root_ < 0) return 71;
    if (root_ == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      ::execvp(command[0], command);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(root_, &status, 0);
    known_.insert(root_);
    ::ptrace(PTRACE_SETOPTIONS, root_, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    ::ptrace(PTRACE_SYSCALL, root_, nullptr, nullptr);
    int result = 0;
    while (true) {
      pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) return result;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (pid == root_) result = WIFEXITED(status) ? WEXITSTATUS(status) : 137;
        groups_.erase(pid);
        known_.erase(pid);
      } else if (WIFSTOPPED(status)) {
        go_on(pid, status);
      }
    }
  }

 private:
  void go_on(pid_t pid, int status) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      entered(pid);
      signal = 0;
    } else if (signal == SIGTRAP && (status >> 16) != 0) {
      signal = 0;
    } else if (signal == SIGSTOP && known_.insert(pid).second) {
      signal = 0;                 // how a new one begins
    }
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<long>(signal));
  }

  pid_t group_of(pid_t pid) {
    auto& group = groups_[pid];
    if (group == 0) {
      std::string text = read_all("/proc/" + std::to_string(pid) + "/status");
      auto found = text.find("\nTgid:");
      group = found == std::string::npos ? pid : std::atoi(text.c_str() + found + 6);
    }
    return group;
  }

  std::string title_of(pid_t group) {
    auto it = titles_.find(group);
    if (it != titles_.end()) return it->second;
    std::string title = read_all("/proc/" + std::to_string(group) + "/cmdline").c_str();
    while (!title.empty() && title.back() == ' ') title.pop_back();
    // "PROGRAM: title"; until a new one says what it is, it has its parent's.
    auto colon = title.find(": ");
    bool settled = colon != std::string::npos && title.find('/') == std::string::npos && (group == root_ || title.find("parent") == std::string::npos);
    if (!settled) return group == root_ ? "parent" : "new";
    return titles_[group] = title.substr(colon + 2);
  }

  void entered(pid_t pid) {
    if (armed == 0) return;
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY) return;
    auto found = calls.find(static_cast<long>(info.entry.nr));
    if (found == calls.end() || (found->second.looks && !all)) return;
    const Call& call = found->second;
    pid_t group = group_of(pid);
    std::string title = title_of(group), what;
    if (title.find(role) == std::string::npos) return;
    if (call.fd >= 0) what = link_of(pid, info.entry.args[call.fd]);
    if (call.path >= 0) what = text_at(pid, info.entry.args[call.path]);
    // What wakes a thread of the same process, or names it.
    bool inside = what.starts_with("anon_inode:") || what.starts_with("pipe:") || what.starts_with("/proc/");
    if (inside) return;
    // A file that is only opened to be read, or closed, is only looked at.
    bool reads = std::strcmp(call.name, "openat") == 0 && (info.entry.args[2] & (O_WRONLY | O_RDWR | O_CREAT)) == 0;
    bool file = !what.starts_with("socket:");
    if (!all && (reads || (file && (info.entry.nr == SYS_read || info.entry.nr == SYS_close)))) return;
    ++count_;
    if (record.is_open()) record << count_ << ' ' << title << '\t' << call.name << '\t' << what << '\n' << std::flush;
    if (count_ == at) kill(group);
  }

  void kill(pid_t group) {
    if (record.is_open()) record << "killed\n" << std::flush;
    if (only) {
      ::kill(group, SIGKILL);
      return;
    }
    std::set<pid_t> everyone;
    for (pid_t pid : known_) everyone.insert(group_of(pid));
    for (pid_t each : everyone) ::kill(each, SIGKILL);
  }

  pid_t root_ = -1;
  long count_ = 0;
  std::map<pid_t, pid_t> groups_;
  std::map<pid_t, std::string> titles_;
  std::set<pid_t> known_;
};

}  // namespace

int main(int argc, char** argv) {
  Tracer tracer;
  int i = 1;
  for (; i < argc; ++i) {
    std::string word = argv[i];
    bool more = i + 1 < argc;
    if (word == "--") break;
    if (word == "--only") tracer.only = true;
    else if (word == "--all") tracer.all = true;
    else if (word == "--armed") armed = 1;
    else if (word == "--role" && more) tracer.role = argv[++i];
    else if (word == "--at" && more) tracer.at = std::atol(argv[++i]);
    else if (word == "--record" && more) tracer.record.open(argv[++i]);
    else return 64;
  }
  if (i + 1 >= argc) return 64;
  std::signal(SIGUSR1, [](int) { armed = 1; });
  std::signal(SIGTERM, SIG_IGN);
  return tracer.run(argv + i + 1);
}
