#include "deliver/agent.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deliver/drop.hpp"
#include "deliver/identity.hpp"
#include "deliver/mbox.hpp"

namespace mansio::deliver {
namespace {

bool is_mailbox(JobKind kind) { return kind == JobKind::maildir || kind == JobKind::mbox || kind == JobKind::drop; }

// What is missing in a directory of root's, and is to be the user's. Else the child tries, and says why not.
void prepare_place(const Job& job) {
  struct stat st {};
  if (job.kind != JobKind::mbox && job.kind != JobKind::drop) return;
  if (::lstat(job.path.c_str(), &st) == 0 || errno != ENOENT) return;
  if (job.kind == JobKind::mbox) {
    [[maybe_unused]] auto made = create_mailbox(job.path, job.uid, job.gid);
  } else {
    [[maybe_unused]] auto made = create_drop_directory(job.path, job.uid, job.gid);
  }
}

}  // namespace

Agent::Agent(int channel, AgentOptions options)
    : channel_(channel), options_(options), reader_(channel, true), self_(channel),
      users_(options.children, options.child_idle, [this](Answer answer) { answered(std::move(answer)); }) {}

void Agent::answered(Answer answer) {
  if (auto found = found_.extract(answer.serial); !found.empty()) {
    // The database knows the user, whatever became of the file.
    found.mapped().forward = std::move(answer.forward);
    if (!answer.status.ok()) {
      found.mapped().status = answer.status;
      found.mapped().sys = answer.sys;
    }
    answer = std::move(found.mapped());
  }
  if (!peer_is_gone_ && !send_answer(channel_, answer)) peer_is_gone_ = true;
}

int Agent::serve() {
  while (!peer_is_gone_) {
    if (users_.busy() && !users_.wait(channel_)) continue;
    auto work = reader_.read();
    if (!work) {
      if (work.error().fault() != Fault::closed) return 70;
      break;
    }
    take(std::move(*work));
  }
  finish();
  return 0;
}

// Deliveries that have begun come to their end.
void Agent::finish() {
  peer_is_gone_ = true;
  users_.hang_up();
  while (users_.busy()) users_.wait(-1);
}

// Our own together, after all others are under way.
void Agent::take(std::vector<Work> work) {
  std::vector<Work> ours;
  for (Work& each : work) {
    switch (hands_for(each)) {
      case Hands::ours: ours.push_back(std::move(each)); break;
      case Hands::users: users_.ask(std::move(each)); break;
      case Hands::done: answered(std::move(each.answer)); break;
    }
  }
  self_.run(ours);
  for (Work& each : ours) answered(std::move(each.answer));
}

// Who does the job. Done: work.answer is the answer.
Agent::Hands Agent::hands_for(Work& work) {
  Job& job = work.job;
  auto done = [&](Answer answer) {
    work.answer = std::move(answer);
    return Hands::done;
  };
  if (job.kind == JobKind::user_lookup && look_up(work)) return Hands::done;
  if (job.kind == JobKind::drop && !job.owner.empty()) {
    if (Status found = find_owner(job); !found.ok()) return done(refusal(job, std::move(found)));
  }
  uid_t self = ::geteuid();
  if (job.uid == 0) {
    if (self == 0 && options_.may_be_root && job.kind == JobKind::token_command) return done(run_as_root(job));
    if (self == 0 && options_.may_be_root && is_mailbox(job.kind)) return Hands::ours;
    return done(refusal(job, Status(450, 2, 0, "nothing is delivered as uid 0 (root): give root an alias")));
  }
  if (self == 0) {
    prepare_place(job);
    return Hands::users;
  }
  if (job.uid == self) return Hands::ours;
  // A ~/.forward that can't be read is none: only the user's own mailbox would say more.
  return done(refusal(job, Status(450, 2, 0, fmt::format("this daemon runs as uid {} and can't deliver as uid {}", self, job.uid))));
}

// The database is asked with the agent's rights, the file is read with the user's. True: work.answer is the answer; else
// what is left to do is to read the file.
bool Agent::look_up(Work& work) {
  const Job& job = work.job;
  Answer found = lookup_user(job);
  if (!found.found || !job.want_forward || found.home.empty() || found.home[0] != '/' || found.uid == 0) {
    work.answer = std::move(found);
    return true;
  }
  Job forward;
  forward.serial = job.serial;
  forward.kind = JobKind::read_forward;
  forward.uid = found.uid;
  forward.gid = found.gid;
  forward.user = found.user;
  forward.home = found.home;
  work.job = std::move(forward);
  found_[found.serial] = std::move(found);
  return false;
}

// The admin's command, not a user's. Its end is waited for, which takes an agent that doesn't ignore its children's.
Answer Agent::run_as_root(const Job& job) {
  ::signal(SIGCHLD, SIG_DFL);
  auto answer = self_.run(job, -1);
  ::signal(SIGCHLD, SIG_IGN);
  while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
  return answer;
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
