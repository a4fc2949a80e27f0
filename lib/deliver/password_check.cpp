#include "deliver/password_check.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <cstring>
#include <vector>

#include "deliver/identity.hpp"
#include "deliver/packet_channel.hpp"

namespace mansio::deliver {
namespace {

constexpr Duration longest_check{30'000};
constexpr Duration longest_hold{10'000};   // PAM's usual delay is two seconds, give or take a quarter
constexpr std::size_t name_limit = 320;

// What a child says, in one write of less than PIPE_BUF.
struct Verdict {
  PamVerdict verdict = PamVerdict::unavailable;
  int code = PAM_SYSTEM_ERR;
  bool complete = false;   // it was the child's
  unsigned delay = 0;   // microseconds that PAM would have slept
  std::array<char, name_limit> user{};
};

struct Conversation {
  std::string_view password;
  unsigned delay = 0;
};

void forget_responses(pam_response* responses, int count) {
  for (int i = 0; i < count; ++i) {
    if (responses[i].resp == nullptr) continue;
    ::explicit_bzero(responses[i].resp, std::strlen(responses[i].resp));
    std::free(responses[i].resp);
  }
  std::free(responses);
}

// Answers a prompt that hides what is typed with the password; there is nobody to read other questions.
int converse(int count, const pam_message** messages, pam_response** out, void* data) {
  const auto& self = *static_cast<Conversation*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  // libpam frees what it gets here with free(3).
  auto* responses = static_cast<pam_response*>(std::calloc(static_cast<std::size_t>(count), sizeof(pam_response)));
  if (responses == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    int style = messages[i]->msg_style;
    if (style == PAM_TEXT_INFO || style == PAM_ERROR_MSG) continue;
    if (style == PAM_PROMPT_ECHO_OFF) responses[i].resp = ::strndup(self.password.data(), self.password.size());
    if (responses[i].resp != nullptr) continue;
    forget_responses(responses, count);
    return PAM_CONV_ERR;
  }
  *out = responses;
  return PAM_SUCCESS;
}

// In the place of PAM's sleep.
void note_delay(int status, unsigned microseconds, void* data) {
  if (status != PAM_SUCCESS) static_cast<Conversation*>(data)->delay = microseconds;
}

// root logs in with no password over the network (Dovecot's first_valid_uid). PAM is asked first all the same, so that
// the time is that of any other name. A user that only PAM knows may be.
bool is_root(const char* name) {
  std::vector<char> buffer(64 << 10);
  struct passwd entry {};
  struct passwd* found = nullptr;
  int sys = ::getpwnam_r(name, &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_uid == 0 : sys != 0 && sys != ENOENT && sys != ESRCH;
}

Verdict ask_pam(const Job& job, const PasswordAgentOptions& options) {
  Conversation conversation;
  conversation.password = job.secret.view();
  Verdict out;
  pam_conv talk{converse, &conversation};
  pam_handle_t* pam = nullptr;
  out.code = options.directory.empty()
                 ? ::pam_start(job.service.c_str(), job.user.c_str(), &talk, &pam)
                 : ::pam_start_confdir(job.service.c_str(), job.user.c_str(), &talk, options.directory.c_str(), &pam);
  if (out.code != PAM_SUCCESS) return out;
  void (*delay)(int, unsigned, void*) = note_delay;
  ::pam_set_item(pam, PAM_FAIL_DELAY, reinterpret_cast<const void*>(delay));
  if (!job.remote.empty()) ::pam_set_item(pam, PAM_RHOST, job.remote.c_str());
  ::pam_set_item(pam, PAM_TTY, "mansio");   // some modules refuse a session that has none
  out.code = ::pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  if (out.code == PAM_SUCCESS) out.code = ::pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
  out.verdict = meaning_of_pam(out.code);
  const void* name = nullptr;
  bool named = ::pam_get_item(pam, PAM_USER, &name) == PAM_SUCCESS && name != nullptr;
  std::string_view user = named ? static_cast<const char*>(name) : "";
  if (out.verdict == PamVerdict::accepted) {
    if (user.empty() || user.size() >= name_limit) out.verdict = PamVerdict::unavailable;
    else if (is_root(static_cast<const char*>(name))) out.verdict = PamVerdict::denied;
    else std::ranges::copy(user, out.user.begin());
  }
  out.delay = conversation.delay;
  ::pam_end(pam, out.code);
  return out;
}

[[noreturn]] void child_of_check(UniqueFd pipe, const Job& job, const PasswordAgentOptions& options) {
  ::setpgid(0, 0);   // so that what modules start can be ended with it
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  for (int each : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD}) ::signal(each, SIG_DFL);
  constexpr int place = 3;
  if (pipe.get() != place && ::dup3(pipe.get(), place, O_CLOEXEC) < 0) ::_exit(71);
  pipe.release();
  // Not closed but kept from programs: a library that was used before the fork (libuv) may hold on to descriptors by their
  // numbers, and close them in a module's child, where they would be the module's own by then.
  ::close_range(place + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  Verdict verdict = ask_pam(job, options);
  verdict.complete = true;
  [[maybe_unused]] auto written = ::write(place, &verdict, sizeof verdict);
  ::_exit(0);
}

// A module's program may have left its process group, as pam_exec's do: what is left of a check that was ended is ours,
// the agent being the subreaper, and ends too. Children of children come up as their parents go.
void end_children() {
  for (int round = 0; round < 10; ++round) {
    std::ifstream list(fmt::format("/proc/self/task/{}/children", ::getpid()));
    bool any = false;
    for (pid_t pid = 0; list >> pid;) {
      any = true;
      ::kill(pid, SIGKILL);
      while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
    }
    if (!any) return;
  }
}

// What the child says, or unavailable: it died, the time is over, or `channel` has ended.
Verdict hear_child(int pipe, int channel, Duration patience) {
  auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto left = std::chrono::ceil<Duration>(end - std::chrono::steady_clock::now());
    pollfd watched[2] = {{pipe, POLLIN, 0}, {channel, 0, 0}};   // the other end of a channel that closes is POLLHUP
    int ready = ::poll(watched, 2, static_cast<int>(std::max<Duration::rep>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    Verdict verdict;
    if (ready <= 0 || (watched[0].revents == 0)) return verdict;
    if (::read(pipe, &verdict, sizeof verdict) != static_cast<ssize_t>(sizeof verdict)) return Verdict();
    return verdict;
  }
}

Answer unavailable(const Job& job, std::string why, int sys = 0) {
  Answer answer;
  answer.serial = job.serial;
  answer.status = Status(451, 3, 0, std::move(why));
  answer.sys = sys;
  return answer;
}

}  // namespace

PamVerdict meaning_of_pam(int code) noexcept {
  switch (code) {
    case PAM_SUCCESS: return PamVerdict::accepted;
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_ACCT_EXPIRED:
    case PAM_PERM_DENIED:
    case PAM_CRED_INSUFFICIENT:
    case PAM_CRED_EXPIRED:
    case PAM_CRED_ERR:
    case PAM_NEW_AUTHTOK_REQD:   // there is nobody here to choose a new password
    case PAM_AUTHTOK_EXPIRED: return PamVerdict::denied;
    default: return PamVerdict::unavailable;   // its own trouble: PAM_AUTHINFO_UNAVAIL, PAM_SYSTEM_ERR, PAM_OPEN_ERR, …
  }
}

Answer check_password_by_pam(const Job& job, const PasswordAgentOptions& options, int channel) {
  auto begun = std::chrono::steady_clock::now();
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return unavailable(job, Error::from_errno(errno, "pipe").text(), errno);
  UniqueFd reading(ends[0]), writing(ends[1]);
  pid_t pid = ::fork();
  if (pid < 0) return unavailable(job, Error::from_errno(errno, "fork").text(), errno);
  if (pid == 0) child_of_check(std::move(writing), job, options);
  ::setpgid(pid, pid);   // whichever of the two comes first
  writing.reset();
  Verdict verdict = hear_child(reading.get(), channel, std::min(job.timeout, longest_check));
  bool ended = !verdict.complete;
  if (ended) ::kill(-pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  if (ended) end_children();
  while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;   // what modules left behind
  if (verdict.verdict == PamVerdict::unavailable) {
    return unavailable(job, fmt::format("PAM service {}: {}", job.service, ::pam_strerror(nullptr, verdict.code)));
  }
  Answer answer;
  answer.serial = job.serial;
  answer.found = verdict.verdict == PamVerdict::accepted;
  answer.status = Status(250, "PAM has answered");
  if (answer.found) answer.user.assign(verdict.user.data(), ::strnlen(verdict.user.data(), verdict.user.size()));
  auto spent = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - begun);
  if (!answer.found) answer.hold = std::clamp(Duration(verdict.delay / 1000) - spent, Duration(0), longest_hold);
  return answer;
}

int password_agent_main(int channel, const PasswordAgentOptions& options) {
  prepare_process();
  ::signal(SIGCHLD, SIG_DFL);   // ignored, it would reap the children that are waited for
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (;;) {
    auto packet = receive_packet(channel);
    if (!packet) return packet.error().fault() == Fault::closed ? 0 : 70;
    auto job = decode_job(packet->bytes);
    crypto::wipe(packet->bytes);
    if (!job || job->kind != JobKind::password_check) return 70;
    auto bytes = encode_answer(check_password_by_pam(*job, options, channel));
    if (!bytes) bytes = encode_answer(unavailable(*job, "PAM: " + bytes.error().text()));
    if (!bytes || !send_packet(channel, *bytes)) return 0;
  }
}

}  // namespace mansio::deliver
