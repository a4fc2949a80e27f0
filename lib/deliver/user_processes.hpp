// The children of root's agent: a process for each user, which has become that user for good and does the jobs that the
// agent passes on to it. Those used last are kept, so that a delivery costs no fork; they work side by side, and one that
// hangs holds up nobody but its user.
#pragma once
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <string>

#include "deliver/worker.hpp"

namespace mansio::deliver {

class UserProcesses {
 public:
  using Answered = std::function<void(Answer)>;

  // At most `kept` at once, more only while they have jobs; each ends when it was idle for so long.
  UserProcesses(std::size_t kept, std::chrono::seconds idle, Answered answered)
      : kept_(kept), idle_(idle), answered_(std::move(answered)) {}

  // Hands the job to its user's process (job.uid, gid and user); `answered` is called for it once, now or within wait().
  void ask(Work work);
  bool busy() const noexcept { return asked_ > 0; }
  // Nobody waits for answers any more: what runs for a long time for its answer alone ends. The rest goes on.
  void hang_up();
  // Until something has happened: answers came, a process is given up, or `channel` (-1: none) has a packet. True: it has.
  bool wait(int channel);

 private:
  struct Asked {
    explicit Asked(Work w) : work(std::move(w)) {}
    Work work;
    bool again = false;          // a process before this one never read it
  };
  struct Child {
    Child(const Job& job, UniqueFd c) : uid(job.uid), gid(job.gid), user(job.user), channel(std::move(c)) {}
    bool is_for(const Job& job) const { return uid == job.uid && gid == job.gid && user == job.user; }
    uid_t uid;
    gid_t gid;
    std::string user;
    UniqueFd channel;
    std::map<std::uint64_t, Asked> asked;       // by serial
    MonotonicTime until{};                      // then it is given up
  };
  using Place = std::list<Child>::iterator;

  void ask(Asked asked);
  Result<Place> child_for(const Job& job);
  void retire();
  Result<> send(Child& child, Asked asked);
  static Duration bound_of(const Child& child);
  void take_answers(Place child);
  Result<> take_answer(Child& child);
  void lost(Place child, const Error& why);
  void answer(Answer answer);

  std::size_t kept_;
  std::chrono::seconds idle_;
  Answered answered_;
  std::list<Child> children_;    // the most recent first
  std::size_t asked_ = 0;
};

}  // namespace mansio::deliver
