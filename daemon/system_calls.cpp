#include "system_calls.hpp"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/text.hpp"
#include "channel.hpp"
#include "system_call_lists.hpp"

namespace mansio::daemon {
namespace {

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise) : filter_(::seccomp_init(otherwise), ::seccomp_release) {
    if (!filter_) broken_ = ENOMEM;
    set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);       // 32-bit calls on a 64-bit machine, say
    ::seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);      // a tree, not a list; else it is only slower
    ::seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_LOG, 1);           // what is refused, in the kernel's log, where it can
  }

  // A call that this machine or this libseccomp doesn't know needs no rule.
  void add(std::uint32_t action, std::span<const char* const> calls) {
    for (const char* name : calls) add(action, name, {});
  }
  void add(std::uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> arguments) {
    int call = ::seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || call < 0) return;
    int failed = ::seccomp_rule_add_array(filter_.get(), action, call, static_cast<unsigned>(arguments.size()), arguments.begin());
    if (failed != 0 && failed != -EACCES) broken_ = -failed;      // EACCES: as it would be without a rule
  }
  Result<> load() {
    if (broken_ == 0) broken_ = -::seccomp_load(filter_.get());
    if (broken_ == 0) return {};
    return std::unexpected(Error::from_errno(broken_, "seccomp: the system calls of the mail processes are not filtered"));
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (int failed = ::seccomp_attr_set(filter_.get(), attribute, value); failed != 0) broken_ = -failed;
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter_;
  int broken_ = 0;
};

// ---- how a process ends that used a call it must not

int told_channel = -1;

// In a signal handler: nothing that allocates or locks. The handler is gone when it is entered, so that the signal ends the
// process the second time.
extern "C" void refused_call(int signal, siginfo_t* about, void*) {
  std::array<char, 16> packet{tag_refused};
  std::size_t size = 1;
  auto call = static_cast<unsigned>(about->si_syscall);
  for (unsigned scale = 1000; scale > 0; scale /= 10) packet[size++] = static_cast<char>('0' + call / scale % 10);
  [[maybe_unused]] auto told = ::send(told_channel, packet.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  ::syscall(SYS_tgkill, ::getpid(), ::gettid(), signal);
}

Result<> watch_refused_calls(int channel) {
  told_channel = channel;
  struct sigaction action {};
  action.sa_sigaction = refused_call;
  action.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return fail_errno("sigaction");
  return {};
}

// ---- calls whose arguments matter

constexpr scmp_arg_cmp is(unsigned argument, std::uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
constexpr scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) { return {argument, SCMP_CMP_MASKED_EQ, mask, value}; }

void allow_memory(Filter& filter, std::uint32_t allowed) {
  // Never what can be written and executed. Libraries are still loaded, by those that look up names and users.
  for (const char* map : {"mmap", "mmap2"}) {
    filter.add(allowed, map, {masked(2, PROT_EXEC, 0)});
    filter.add(allowed, map, {masked(2, PROT_WRITE, 0)});
  }
  filter.add(allowed, "mprotect", {masked(2, PROT_EXEC, 0)});
}

// Local sockets, IP, and the questions which addresses the machine has.
void allow_sockets(Filter& filter, std::uint32_t allowed, std::uint32_t attack) {
  for (std::uint64_t family : {AF_UNIX, AF_INET, AF_INET6}) {
    filter.add(allowed, "socket", {is(0, family), masked(1, 0xf, SOCK_STREAM)});
    filter.add(allowed, "socket", {is(0, family), masked(1, 0xf, SOCK_DGRAM)});
  }
  filter.add(allowed, "socket", {is(0, AF_UNIX), masked(1, 0xf, SOCK_SEQPACKET)});
  filter.add(allowed, "socket", {is(0, AF_NETLINK), is(2, NETLINK_ROUTE)});
  filter.add(attack, "socket", {is(0, AF_PACKET)});
  filter.add(allowed, "socketpair", {is(0, AF_UNIX)});
}

void allow_threads(Filter& filter, std::uint32_t allowed, std::uint32_t attack) {
  auto thread = static_cast<std::uint64_t>(CLONE_THREAD);
  filter.add(allowed, "clone", {masked(0, thread, thread)});
  filter.add(attack, "clone", {masked(0, thread, 0)});
  filter.add(SCMP_ACT_ERRNO(ENOSYS), "clone3", {});      // its flags can't be seen: the C library takes clone instead
  auto self = static_cast<std::uint64_t>(::getpid());
  filter.add(allowed, "tgkill", {is(0, self)});
  filter.add(allowed, "kill", {is(0, self)});
  filter.add(allowed, "prlimit64", {is(0, 0)});
  filter.add(allowed, "prlimit64", {is(0, self)});
  // What SIGSYS does stays. The kernel takes 32 bits of the number: "not equal" would be fooled by the others.
  for (std::uint64_t signal = 1; signal <= 64; ++signal) {
    if (signal != SIGSYS) filter.add(allowed, "rt_sigaction", {masked(0, 0xffffffff, signal)});
  }
  for (int what : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_CAPBSET_READ}) {
    filter.add(allowed, "prctl", {is(0, static_cast<std::uint64_t>(what))});
  }
}

void allow_device_calls(Filter& filter, std::uint32_t allowed) {
  for (std::uint64_t what : {FIONBIO, FIONREAD, FIOCLEX, FIONCLEX, TCGETS, 0x8910 /* SIOCGIFNAME */, 0x8933 /* SIOCGIFINDEX */}) {
    filter.add(allowed, "ioctl", {is(1, what)});
  }
}

constexpr bool sanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

}  // namespace

Result<> filter_mail_calls(bool report, int channel) {
  // Sanitizers make calls of their own, which are nobody's business but a developer's.
  if (sanitized) return fail(Fault::denied, "built with a sanitizer: the system calls of the mail processes are not filtered");
  std::uint32_t attack = report ? SCMP_ACT_LOG : SCMP_ACT_TRAP;
  Filter filter(report ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM));
  if (!report) {
    if (auto watched = watch_refused_calls(channel); !watched) return watched;
    filter.add(SCMP_ACT_ERRNO(ENOSYS), calls_that_may_be_missing);
  }
  filter.add(SCMP_ACT_ALLOW, needed_calls);
  filter.add(attack, calls_of_attackers);
  filter.add(attack, calls_to_become_another);
  allow_memory(filter, SCMP_ACT_ALLOW);
  allow_sockets(filter, SCMP_ACT_ALLOW, attack);
  allow_threads(filter, SCMP_ACT_ALLOW, attack);
  allow_device_calls(filter, SCMP_ACT_ALLOW);
  return filter.load();
}

Result<> filter_agent_calls() {
  if (sanitized) return {};
  Filter filter(SCMP_ACT_ALLOW);
  filter.add(SCMP_ACT_ERRNO(EPERM), calls_of_attackers);
  filter.add(SCMP_ACT_ERRNO(EPERM), "socket", {is(0, AF_PACKET)});
  return filter.load();
}

std::string name_of_call(const std::string& number) {
  auto call = parse_number(number);
  if (!call || *call > 9999) return "that can't be told";
  std::unique_ptr<char, void (*)(void*)> name(::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(*call)), std::free);
  return fmt::format("{} ({})", name ? name.get() : "unknown", *call);
}

}  // namespace mansio::daemon
