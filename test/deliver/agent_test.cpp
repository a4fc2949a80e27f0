#include "deliver/agent.hpp"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <algorithm>
#include <csignal>
#include <map>

#include "deliver/identity.hpp"
#include "deliver/mbox.hpp"
#include "running_agent.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

constexpr uid_t somebody = 54321;

AgentOptions as_caller() {
  AgentOptions options;
  options.may_be_root = true;
  return options;
}

}  // namespace

TEST_CASE("an agent delivers, keeps a message by its slot until it is forgotten, and ends with its channel") {
  Scratch scratch;
  RunningAgent agent(as_caller());
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  auto fd = scratch.message(job, "x\r\n");
  CHECK(agent.ask(job, fd.get()).status.ok());
  job.name = "second";
  job.serial = 43;
  CHECK(agent.ask(job).status.ok());
  Job forget = job;
  forget.kind = JobKind::forget;
  agent.tell(forget);
  job.name = "third";
  CHECK(agent.ask(job).status.text() == "the delivery agent has no such message open");
  CHECK(names_in(job.path + "/new").size() == 2);
  CHECK(agent.end() == 0);
}

TEST_CASE("an agent ends at a packet that breaks the protocol") {
  RunningAgent agent(as_caller());
  REQUIRE(send_packet(agent.channel(), "hello"));
  CHECK(receive_packet(agent.channel()).error().fault() == Fault::closed);
  CHECK(agent.end() == 70);
}

TEST_CASE("a look-up finds users, and no number, no strange name and no stranger") {
  RunningAgent agent;
  Job job;
  job.kind = JobKind::user_lookup;
  job.user = "root";
  auto answer = agent.ask(job);
  CHECK(answer.found);
  CHECK(answer.uid == 0);
  CHECK(answer.home == "/root");
  for (const char* name : {"0", "1000", "no-such-user-here", "../root", "-root", "root:x", "r\xc3\xb6ot", "ROOT"}) {
    job.user = name;
    answer = agent.ask(job);
    CHECK_FALSE(answer.found);
    CHECK(answer.status.ok());
  }
}

TEST_CASE("nothing is delivered as root, no program is run and no .forward is read") {
  Scratch scratch;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  job.uid = 0;
  auto fd = scratch.message(job, "x");
  RunningAgent agent;
  CHECK(agent.ask(job, fd.get()).status.line() == "450 4.2.0 nothing is delivered as uid 0 (root): give root an alias");
  CHECK_FALSE(std::filesystem::exists(job.path));
  RunningAgent lenient(as_caller());
  job.kind = JobKind::pipe;
  job.command = {"/bin/sh", "-c", "touch " + (scratch / "ran")};
  CHECK(lenient.ask(job, fd.get()).status.temporary());
  CHECK_FALSE(std::filesystem::exists(scratch / "ran"));
}

TEST_CASE("a .forward is read only when it is a plain file of its owner that nobody else may write") {
  Scratch scratch;
  Job job = job_for(JobKind::read_forward, "");
  job.home = scratch.path();
  auto path = scratch / ".forward";
  CHECK_FALSE(read_forward(job).found);
  CHECK(read_forward(job).status.ok());
  std::ofstream(path) << "a@b.test\n";
  ::chmod(path.c_str(), 0644);
  CHECK(read_forward(job).forward == "a@b.test\n");
  SECTION("group") { ::chmod(path.c_str(), 0664); }
  SECTION("others") { ::chmod(path.c_str(), 0646); }
  SECTION("too long") { std::ofstream(path) << std::string(max_forward + 1, 'x'); }
  SECTION("link") {
    std::filesystem::rename(path, scratch / "real");
    std::filesystem::create_symlink(scratch / "real", path);
  }
  SECTION("FIFO") {
    std::filesystem::remove(path);
    ::mkfifo(path.c_str(), 0600);
  }
  auto answer = read_forward(job);
  CHECK_FALSE(answer.found);
  CHECK(answer.status.code() == 450);
  CHECK(answer.forward.empty());
}

TEST_CASE("as an ordinary user an agent defers what is somebody else's") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  job.uid = somebody + 1;
  auto fd = scratch.message(job, "x");
  RunningAgent agent({}, somebody);
  CHECK(agent.ask(job, fd.get()).status.line() == "450 4.2.0 this daemon runs as uid 54321 and can't deliver as uid 54322");
  CHECK(agent.end() == 0);
}

TEST_CASE("root's agent delivers as the user, with the user's groups, no capability and no way back") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  RunningAgent agent;
  ::mkdir((scratch / "home").c_str(), 0700);
  REQUIRE(::chown((scratch / "home").c_str(), somebody, somebody) == 0);
  Job job = job_for(JobKind::maildir, scratch / "home/Maildir");
  job.uid = job.gid = somebody;
  job.home = scratch / "home";
  auto fd = scratch.message(job, "x\r\n");
  CHECK(agent.ask(job, fd.get()).status.ok());
  struct stat st {};
  REQUIRE(::stat((job.path + "/new/" + job.name).c_str(), &st) == 0);
  CHECK((st.st_uid == somebody && st.st_gid == somebody && (st.st_mode & 07777) == 0600));

  job.kind = JobKind::pipe;
  job.command = {"/bin/sh", "-c", "cat >/dev/null; cat /proc/self/status >" + (scratch / "home/status")};
  CHECK(agent.ask(job).status.ok());
  auto text = content_of(scratch / "home/status");
  CHECK(text.find("Uid:\t54321\t54321\t54321\t54321\n") != std::string::npos);
  CHECK(text.find("Gid:\t54321\t54321\t54321\t54321\n") != std::string::npos);
  CHECK(text.find("Groups:\t54321 \n") != std::string::npos);
  CHECK(text.find("NoNewPrivs:\t1\n") != std::string::npos);
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) CHECK(text.find(std::string(set) + ":\t0000000000000000\n") != std::string::npos);

  job.command = {"/bin/sh", "-c", "touch " + (scratch / "outside")};
  CHECK(agent.ask(job).status.temporary());
  CHECK_FALSE(std::filesystem::exists(scratch / "outside"));
}

TEST_CASE("root's agent makes a mailbox in a directory of root's, and only there") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  RunningAgent agent;
  ::mkdir((scratch / "mail").c_str(), 0755);
  ::mkdir((scratch / "theirs").c_str(), 0755);
  Job job = job_for(JobKind::mbox, scratch / "mail/bob");
  job.uid = job.gid = somebody;
  auto fd = scratch.message(job, "x\r\n");
  CHECK(agent.ask(job, fd.get()).status.line() == "250 2.2.0 delivered to " + job.path);
  struct stat st {};
  REQUIRE(::stat(job.path.c_str(), &st) == 0);
  CHECK((st.st_uid == somebody && st.st_gid == somebody && (st.st_mode & 07777) == 0600));
  CHECK(content_of(job.path).ends_with("\nx\n\n"));

  REQUIRE(::chown((scratch / "theirs").c_str(), somebody + 1, 0) == 0);
  job.path = scratch / "theirs/bob";
  CHECK(agent.ask(job).status.temporary());
  CHECK(names_in(scratch / "theirs").empty());
  std::filesystem::create_directory_symlink(scratch / "mail", scratch / "link");
  CHECK(create_mailbox(scratch / "link/eve", somebody, somebody).error().fault() == Fault::denied);
  CHECK(create_mailbox(scratch / "mail/eve", somebody, somebody));
}

TEST_CASE("more users than children are kept, and one whose child has ended, are served all the same") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(01777));
  AgentOptions options;
  options.children = 2;
  options.child_idle = std::chrono::seconds(1);
  RunningAgent agent(options);
  Job job = job_for(JobKind::maildir, "");
  auto fd = scratch.message(job, "x\r\n");
  for (int round = 0; round < 3; ++round) {
    for (uid_t uid = somebody; uid < somebody + 4; ++uid) {
      job.uid = job.gid = uid;
      job.path = scratch / std::to_string(uid);
      job.name = "m" + std::to_string(round);
      CHECK(agent.ask(job, fd.get()).status.ok());
    }
    if (round == 1) ::sleep(2);
  }
  for (uid_t uid = somebody; uid < somebody + 4; ++uid) CHECK(names_in(scratch / (std::to_string(uid) + "/new")).size() == 3);
  CHECK(agent.end() == 0);
}

TEST_CASE("jobs that come together are each answered, in the order of their Maildir, and one that can't be done is no other's trouble") {
  Scratch scratch;
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(01777));
  bool root = ::geteuid() == 0;
  RunningAgent agent(root ? AgentOptions() : as_caller());
  Job job = job_for(JobKind::maildir, "");
  auto fd = scratch.message(job, "x\r\n");
  constexpr std::uint64_t count = 200, bad = 77;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (root) job.uid = job.gid = somebody + static_cast<uid_t>(i % 3);
    job.serial = i;
    job.path = scratch / (i == bad ? "no/such/directory" : std::to_string(i % 3));
    job.name = "m" + std::to_string(i);
    job.message.fd_slot = i % 2 == 0 ? 7 : one_off_slot;
    agent.tell(job, i < 1 || i % 2 == 1 ? fd.get() : -1);
  }
  std::map<std::uint64_t, std::vector<std::uint64_t>> answered;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto answer = agent.next_answer();
    CHECK(answer.status.ok() == (answer.serial != bad));
    if (answer.status.ok()) answered[answer.serial % 3].push_back(answer.serial);
  }
  for (std::uint64_t place = 0; place < 3; ++place) {
    CHECK(std::ranges::is_sorted(answered[place]));
    auto path = scratch / std::to_string(place);
    CHECK(names_in(path + "/new").size() == answered[place].size());
    CHECK(names_in(path + "/tmp").empty());
    for (auto serial : answered[place]) CHECK(content_of(path + "/new/m" + std::to_string(serial)).ends_with("\nx\n"));
  }
  CHECK(agent.end() == 0);
}

TEST_CASE("deliveries that have begun come to their end when the channel closes") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  std::filesystem::permissions(scratch.path(), std::filesystem::perms(01777));
  RunningAgent agent;
  Job job = job_for(JobKind::pipe, "");
  job.uid = job.gid = somebody;
  job.command = {"/bin/sh", "-c", "cat >/dev/null; : >" + (scratch / "begun") + "; sleep 1; : >" + (scratch / "ended")};
  auto fd = scratch.message(job, "x\r\n");
  agent.tell(job, fd.get());
  while (!std::filesystem::exists(scratch / "begun")) ::usleep(10'000);
  CHECK(agent.end() == 0);
  CHECK(std::filesystem::exists(scratch / "ended"));
}

TEST_CASE("uid 0 and uid -1 are never become") {
  CHECK(become(0, 0, "").error().fault() == Fault::denied);
  CHECK(become(static_cast<uid_t>(-1), 5, "").error().fault() == Fault::denied);
  CHECK(become(5, static_cast<gid_t>(-1), "").error().fault() == Fault::denied);
}

}  // namespace mansio::deliver
