#include "deliver/user_processes.hpp"

#include <linux/close_range.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "deliver/identity.hpp"
#include "deliver/packet_channel.hpp"

namespace mansio::deliver {
namespace {

// How long a process may take until its next answer before it is given up; a file system that hangs holds up its user alone.
constexpr Duration job_bound{std::chrono::minutes(5)};
constexpr Duration margin{std::chrono::seconds(20)};

bool runs_program(JobKind kind) { return kind == JobKind::pipe || kind == JobKind::token_command; }
Duration bound_of(const Job& job) { return runs_program(job.kind) ? job.timeout + margin : job_bound; }

Duration bound_of(std::span<const Work> work) {
  Duration longest{};
  for (const Work& each : work) longest = std::max(longest, bound_of(each.job));
  return longest;
}

// Done twice, it is there once (its name is the same), or it changes nothing.
bool may_be_repeated(JobKind kind) { return kind == JobKind::maildir || kind == JobKind::drop || kind == JobKind::read_forward; }

// The life of a child, already the user: jobs as the agent passes them on, each with its descriptor.
int serve_as_user(int channel, std::chrono::seconds idle) {
  Worker worker(channel);
  WorkReader reader(channel, false);
  for (;;) {
    auto ready = is_readable(channel, idle);
    if (!ready || !*ready) return 0;
    auto work = reader.read();
    if (!work) return work.error().fault() == Fault::closed ? 0 : 70;
    // Its own watchdog: the agent may not signal other users' processes.
    ::alarm(static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(bound_of(*work) + margin).count()));
    worker.run(*work);
    ::alarm(0);
    for (const Work& each : *work) {
      if (!send_answer(channel, each.answer)) return 0;
    }
  }
}

[[noreturn]] void child_main(UniqueFd theirs, const Job& job, std::chrono::seconds idle) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::signal(SIGCHLD, SIG_DFL);
  // The agent's other descriptors (segments of the journal, other children) are none of this user's business.
  constexpr int place = 3;
  if (theirs.get() != place && ::dup3(theirs.get(), place, O_CLOEXEC) < 0) ::_exit(71);
  theirs.release();
  ::close_range(place + 1, ~0u, 0);
  if (!become(job.uid, job.gid, job.user)) ::_exit(77);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);   // the change of user has cleared it
  [[maybe_unused]] int there = ::chdir("/");
  ::_exit(serve_as_user(place, idle));
}

}  // namespace

void UserProcesses::ask(Work work) {
  ++asked_;
  ask(Asked(std::move(work)));
}

void UserProcesses::answer(Answer answer) {
  --asked_;
  answered_(std::move(answer));
}

void UserProcesses::ask(Asked asked) {
  const Job& job = asked.work.job;
  auto child = child_for(job);
  if (!child) return answer(refusal(job, Status(451, 3, 0, "delivery agent: " + child.error().text()), child.error().sys()));
  auto sent = send(**child, std::move(asked));
  if (!sent) lost(*child, sent.error());
}

Result<> UserProcesses::send(Child& child, Asked asked) {
  auto serial = asked.work.job.serial;
  auto packet = encode_job(asked.work.job);
  if (child.asked.empty()) child.until = {};
  child.until = std::max(child.until, std::chrono::steady_clock::now() + deliver::bound_of(asked.work.job));
  int fd = asked.work.fd();
  child.asked.insert_or_assign(serial, std::move(asked));
  if (!packet) return std::unexpected(packet.error());
  return send_packet(child.channel.get(), *packet, fd);
}

Result<UserProcesses::Place> UserProcesses::child_for(const Job& job) {
  auto it = std::ranges::find_if(children_, [&](const Child& child) { return child.is_for(job); });
  if (it != children_.end()) {
    children_.splice(children_.begin(), children_, it);
    return children_.begin();
  }
  auto pair = make_channel();
  if (!pair) return std::unexpected(pair.error());
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) child_main(std::move(pair->theirs), job, idle_);
  retire();
  children_.emplace_front(job, std::move(pair->ours));
  return children_.begin();
}

// Makes room for one more: the oldest that has nothing to do goes. Its channel closes, it ends.
void UserProcesses::retire() {
  if (children_.size() < kept_) return;
  auto oldest = std::find_if(children_.rbegin(), children_.rend(), [](const Child& child) { return child.asked.empty(); });
  if (oldest != children_.rend()) children_.erase(std::next(oldest).base());
}

bool UserProcesses::wait(int channel) {
  std::vector<pollfd> watched{{channel, POLLIN, 0}};
  std::vector<Place> places;
  auto until = MonotonicTime::max();
  for (auto child = children_.begin(); child != children_.end(); ++child) {
    if (child->asked.empty()) continue;
    watched.push_back({child->channel.get(), POLLIN, 0});
    places.push_back(child);
    until = std::min(until, child->until);
  }
  auto left = std::chrono::ceil<Duration>(until - std::chrono::steady_clock::now()).count();
  if (::poll(watched.data(), watched.size(), static_cast<int>(std::clamp<Duration::rep>(left, 0, 3'600'000))) < 0) return false;
  auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (watched[i + 1].revents != 0) take_answers(places[i]);
    else if (places[i]->until <= now) lost(places[i], Error(Fault::timed_out, "the user's process does not answer"));
  }
  return watched[0].revents != 0;
}

// All that have come; a child whose jobs are all done is left in peace.
void UserProcesses::take_answers(Place child) {
  while (!child->asked.empty()) {
    auto taken = take_answer(*child);
    if (taken) continue;
    if (taken.error().sys() != EAGAIN) return lost(child, taken.error());
    child->until = std::chrono::steady_clock::now() + bound_of(*child);
    return;
  }
}

Duration UserProcesses::bound_of(const Child& child) {
  Duration longest{};
  for (const auto& [serial, asked] : child.asked) longest = std::max(longest, deliver::bound_of(asked.work.job));
  return longest;
}

Result<> UserProcesses::take_answer(Child& child) {
  auto packet = receive_packet(child.channel.get(), false);
  if (!packet) return std::unexpected(packet.error());
  auto reply = decode_answer(packet->bytes);
  if (reply && !reply->output.empty()) crypto::wipe(packet->bytes);
  if (!reply) return std::unexpected(reply.error());
  auto asked = child.asked.extract(reply->serial);
  if (asked.empty()) return fail(Fault::invalid, "the user's process answers another job");
  answer(std::move(*reply));
  return {};
}

void UserProcesses::hang_up() {
  for (auto child = children_.begin(); child != children_.end();) {
    auto next = std::next(child);
    bool waits = std::ranges::any_of(child->asked, [](const auto& each) { return each.second.work.job.kind == JobKind::token_command; });
    if (waits) lost(child, Error(Fault::closed, "nobody waits any more"));
    child = next;
  }
}

// A process that waited idle may end just as it is asked. What it never read (the send failed, or its end closed over it)
// a new one gets; a process that died at work leaves a job to be tried later, as repeated. Of several jobs only the last
// are sure to be unread: those that may be done twice are tried again as repeated.
void UserProcesses::lost(Place child, const Error& why) {
  auto asked = std::move(child->asked);
  children_.erase(child);
  bool unread = why.sys() == EPIPE || why.sys() == ECONNRESET;
  bool alone = asked.size() == 1;
  for (auto& [serial, each] : asked) {
    Job& job = each.work.job;
    if (unread && !each.again && (alone || may_be_repeated(job.kind))) {
      each.again = true;
      if (!alone) job.maybe_repeated = true;
      ask(std::move(each));
    } else {
      answer(refusal(job, Status(451, 3, 0, "delivery agent: " + why.text()), why.sys()));
    }
  }
}

}  // namespace mansio::deliver
