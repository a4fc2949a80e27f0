#include "deliver/agent.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "deliver/identity.hpp"
#include "deliver/mbox.hpp"
#include "deliver/packet_channel.hpp"
#include "deliver/pipe.hpp"

namespace mansio::deliver {
namespace {

// How long a job may take before its child is given up; a file system that hangs holds up one agent no longer.
constexpr Duration job_bound{std::chrono::minutes(5)};
constexpr Duration margin{std::chrono::seconds(20)};
constexpr std::size_t max_slots = 1024;

Duration bound_of(const Job& job) { return job.kind == JobKind::pipe ? job.timeout + margin : job_bound; }

Answer refusal(const Job& job, Status status, int sys = 0) {
  Answer answer;
  answer.serial = job.serial;
  answer.status = std::move(status);
  answer.sys = sys;
  return answer;
}

bool writes_message(JobKind kind) { return kind == JobKind::maildir || kind == JobKind::mbox || kind == JobKind::pipe; }

bool send_answer(int channel, const Answer& answer) {
  auto bytes = encode_answer(answer);
  if (!bytes) {
    // A field past its bound (a gecos of 5 KiB, say): the job is answered all the same.
    Answer plain;
    plain.serial = answer.serial;
    plain.status = Status(451, 3, 0, "the delivery agent's answer: " + bytes.error().text());
    bytes = encode_answer(plain);
  }
  return bytes && send_packet(channel, *bytes).has_value();
}

// The life of a child, already the user: jobs as the agent passes them on, each with its descriptor.
int serve_as_user(int channel, std::chrono::seconds idle) {
  Worker worker;
  for (;;) {
    auto ready = is_readable(channel, idle);
    if (!ready || !*ready) return 0;
    auto packet = receive_packet(channel);
    if (!packet) return packet.error().fault() == Fault::closed ? 0 : 70;
    auto job = decode_job(packet->bytes);
    if (!job) return 70;
    // Its own watchdog: the agent may not signal other users' processes.
    ::alarm(static_cast<unsigned>(std::chrono::ceil<std::chrono::seconds>(bound_of(*job) + margin).count()));
    auto answer = worker.run(*job, packet->fd.get());
    ::alarm(0);
    if (!send_answer(channel, answer)) return 0;
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

Answer Worker::run(const Job& job, int message) {
  if (writes_message(job.kind) && message < 0) return refusal(job, Status(451, 3, 0, "the delivery agent has no such message open"));
  switch (job.kind) {
    case JobKind::maildir: return deliver_maildir(job, message, maildirs_);
    case JobKind::mbox: return deliver_mbox(job, message);
    case JobKind::pipe: return deliver_pipe(job, message);
    case JobKind::user_lookup: return lookup_user(job);
    case JobKind::read_forward: return read_forward(job);
    case JobKind::password_check: return refusal(job, Status(451, 3, 0, "this agent checks no passwords"));
    case JobKind::forget: break;
  }
  return refusal(job, Status());
}

Result<int> Agent::message_of(const Job& job, UniqueFd attached) {
  auto slot = job.message.fd_slot;
  if (slot == no_slot) return -1;
  if (attached) {
    if (slots_.size() >= max_slots && !slots_.contains(slot)) return fail(Fault::full, "too many messages open in the delivery agent");
    slots_[slot] = std::move(attached);
  }
  auto it = slots_.find(slot);
  return it == slots_.end() ? -1 : it->second.get();
}

Answer Agent::run(const Job& job, UniqueFd attached) {
  auto message = message_of(job, std::move(attached));
  if (!message) return refusal(job, Status(451, 3, 0, message.error().text()));
  if (job.kind == JobKind::user_lookup) return lookup(job);
  return run_as_user(job, *message);
}

// The database is asked with the agent's rights, the file is read with the user's.
Answer Agent::lookup(const Job& job) {
  auto found = lookup_user(job);
  if (!found.found || !job.want_forward || found.home.empty() || found.home[0] != '/' || found.uid == 0) return found;
  Job forward;
  forward.serial = job.serial;
  forward.kind = JobKind::read_forward;
  forward.uid = found.uid;
  forward.gid = found.gid;
  forward.user = found.user;
  forward.home = found.home;
  auto text = run_as_user(forward, -1);
  found.forward = std::move(text.forward);
  if (!text.status.ok()) {
    found.status = text.status;
    found.sys = text.sys;
  }
  return found;
}

Answer Agent::run_as_user(const Job& job, int message) {
  uid_t self = ::geteuid();
  if (job.uid == 0) {
    bool mailbox = job.kind == JobKind::maildir || job.kind == JobKind::mbox;
    if (self == 0 && options_.may_be_root && mailbox) return self_.run(job, message);
    return refusal(job, Status(450, 2, 0, "nothing is delivered as uid 0 (root): give root an alias"));
  }
  if (self != 0) {
    if (job.uid == self) return self_.run(job, message);
    // A ~/.forward that can't be read is none: only the user's own mailbox would say more.
    return refusal(job, Status(450, 2, 0, fmt::format("this daemon runs as uid {} and can't deliver as uid {}", self, job.uid)));
  }
  struct stat st {};
  if (job.kind == JobKind::mbox && ::lstat(job.path.c_str(), &st) != 0 && errno == ENOENT) {
    [[maybe_unused]] auto made = create_mailbox(job.path, job.uid, job.gid);   // else the child tries, and says why not
  }
  // A child that waited idle may end just as it is asked. When the job was never read (the send failed, or the child's
  // end closed over it) a new child gets it; a child that died at work leaves a job to be tried later, as repeated.
  for (int attempt = 0;; ++attempt) {
    auto child = child_for(job);
    if (!child) return refusal(job, Status(451, 3, 0, "delivery agent: " + child.error().text()), child.error().sys());
    auto answer = ask_child(**child, job, message);
    if (answer) return std::move(*answer);
    int sys = answer.error().sys();
    children_.pop_front();   // child_for has put it there
    if ((sys == EPIPE || sys == ECONNRESET) && attempt == 0) continue;
    return refusal(job, Status(451, 3, 0, "delivery agent: " + answer.error().text()));
  }
}

Result<Agent::Child*> Agent::child_for(const Job& job) {
  auto it = std::ranges::find_if(children_, [&](const Child& c) { return c.uid == job.uid && c.gid == job.gid && c.user == job.user; });
  if (it != children_.end()) {
    children_.splice(children_.begin(), children_, it);
    return &children_.front();
  }
  auto pair = make_channel();
  if (!pair) return std::unexpected(pair.error());
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) child_main(std::move(pair->theirs), job, options_.child_idle);
  children_.push_front(Child{job.uid, job.gid, job.user, std::move(pair->ours)});
  if (children_.size() > options_.children) children_.pop_back();   // its channel closes, it ends
  return &children_.front();
}

Result<Answer> Agent::ask_child(Child& child, const Job& job, int message) {
  auto packet = encode_job(job);
  if (!packet) return std::unexpected(packet.error());
  if (auto sent = send_packet(child.channel.get(), *packet, message); !sent) return std::unexpected(sent.error());
  auto ready = is_readable(child.channel.get(), bound_of(job));
  if (!ready) return std::unexpected(ready.error());
  if (!*ready) return fail(Fault::timed_out, "the user's process does not answer");
  auto reply = receive_packet(child.channel.get());
  if (!reply) return std::unexpected(reply.error());
  auto answer = decode_answer(reply->bytes);
  if (answer && answer->serial != job.serial) return fail(Fault::invalid, "the user's process answers another job");
  return answer;
}

int Agent::serve() {
  for (;;) {
    auto packet = receive_packet(channel_);
    if (!packet) return packet.error().fault() == Fault::closed ? 0 : 70;
    auto job = decode_job(packet->bytes);
    if (!job) return 70;
    if (job->kind == JobKind::forget) {
      slots_.erase(job->message.fd_slot);
      continue;
    }
    auto answer = run(*job, std::move(packet->fd));
    // Kept open, the file of a large message would keep its room on the disk after the message is finished.
    if (job->message.fd_slot == one_off_slot) slots_.erase(one_off_slot);
    if (!send_answer(channel_, answer)) return 0;
  }
}

int agent_main(int channel, AgentOptions options) {
  prepare_process();
  if (::geteuid() == 0) {
    ::signal(SIGCHLD, SIG_IGN);   // children that end are nobody's to wait for
    if (!options.may_be_root && !keep_agent_capabilities()) return 77;
  }
  return Agent(channel, options).serve();
}

}  // namespace mansio::deliver
