// Names of system calls, by what they mean for us. Found with strace over the end-to-end tests, and with what the
// libraries that are linked do on other machines; a name that this machine doesn't know counts for nothing.
#pragma once
#include <array>

namespace mansio::daemon {

// What a mail process, its threads and its libraries need, whatever the arguments.
inline constexpr std::array needed_calls{
    // bytes
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "sendfile", "copy_file_range",
    "close", "close_range", "dup", "dup2", "dup3", "fcntl", "pipe", "pipe2", "memfd_create",
    // files
    "open", "openat", "openat2", "creat", "stat", "fstat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
    "getdents", "getdents64", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "truncate", "ftruncate", "fallocate", "fsync", "fdatasync",
    "sync_file_range", "syncfs", "utime", "utimes", "utimensat", "futimesat", "flock", "statfs", "fstatfs", "fadvise64", "readahead", "umask", "getcwd", "chdir",
    "fchdir", "getxattr", "fgetxattr", "lgetxattr", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    // memory
    "munmap", "mremap", "brk", "madvise", "mincore", "msync", "mlock", "mlock2", "munlock", "membarrier", "rseq", "get_mempolicy",
    // the process itself
    "exit", "exit_group", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp",
    "getpgid", "getsid", "getpriority", "getrlimit", "setrlimit", "getrusage", "times", "sysinfo", "uname", "getcpu", "capget", "sched_yield", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "arch_prctl", "set_tid_address", "set_robust_list",
    "get_robust_list", "futex", "futex_waitv", "getrandom", "wait4", "waitid",
    // signals and time
    "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "sigaltstack", "signalfd4", "restart_syscall", "pause",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "alarm", "setitimer", "getitimer", "timerfd_create",
    "timerfd_settime", "timerfd_gettime", "timer_create", "timer_settime", "timer_gettime", "timer_delete",
    // waiting
    "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd", "eventfd2",
    // the network
    "bind", "listen", "connect", "accept", "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", "sendto", "recvfrom", "sendmsg",
    "recvmsg", "sendmmsg", "recvmmsg",
    // the same under the names of machines with 32 bits
    "_llseek", "fcntl64", "sendfile64", "stat64", "fstat64", "lstat64", "fstatat64", "truncate64", "ftruncate64", "statfs64", "fstatfs64", "fadvise64_64",
    "arm_fadvise64_64", "sync_file_range2", "arm_sync_file_range", "utimensat_time64", "chown32", "fchown32", "lchown32", "getuid32", "geteuid32", "getgid32",
    "getegid32", "getresuid32", "getresgid32", "getgroups32", "ugetrlimit", "set_tls", "get_tls", "set_thread_area", "cacheflush", "futex_time64", "sigreturn",
    "sigprocmask", "rt_sigtimedwait_time64", "clock_gettime64", "clock_getres_time64", "clock_nanosleep_time64", "timerfd_settime64", "timerfd_gettime64",
    "timer_settime64", "timer_gettime64", "ppoll_time64", "_newselect", "pselect6_time64", "send", "recv", "recvmmsg_time64"};

// What nobody needs who handles mail: it runs or looks into other processes, changes the machine, or is a way into the kernel that
// was often open.
inline constexpr std::array calls_of_attackers{
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "pivot_root", "chroot", "unshare", "setns",
    "bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "open_by_handle_at",
    "reboot", "swapon", "swapoff", "iopl", "ioperm", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "acct", "quotactl", "quotactl_fd",
    "sethostname", "setdomainname", "syslog", "vhangup", "modify_ldt", "fanotify_init"};

// For a mail process: which user it is stays as it is, and it executes nothing.
inline constexpr std::array calls_to_become_another{
    "execve", "execveat", "fork", "vfork", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset",
    "setuid32", "setgid32", "setreuid32", "setregid32", "setresuid32", "setresgid32", "setfsuid32", "setfsgid32", "setgroups32",
    "mknod", "mknodat"};

// Libraries try these, and go another way where a kernel lacks them.
inline constexpr std::array calls_that_may_be_missing{"io_uring_setup", "io_uring_enter", "io_uring_register"};

}  // namespace mansio::daemon
