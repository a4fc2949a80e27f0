#include "deliver/pipe.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "scratch.hpp"

namespace mansio::deliver {
namespace {

Answer run_script(Scratch& scratch, const std::string& script, const std::string& content = "Subject: x\r\n\r\nbody\r\n", Duration timeout = Duration(20000)) {
  Job job = job_for(JobKind::pipe, "");
  job.command = {"/bin/sh", "-c", script, "sh", scratch.path()};
  job.environment = {"SENDER=() { :;}; touch /tmp/pwn", "LD_PRELOAD=/evil.so", "IFS=x", "RECIPIENT=bob@y.test", "PATH=/evil", "BASH_ENV=/evil"};
  job.user = "bob";
  job.timeout = timeout;
  auto fd = scratch.message(job, content);
  return deliver_pipe(job, fd.get());
}

}  // namespace

TEST_CASE("a program gets the message with LF on its standard input") {
  Scratch scratch;
  auto answer = run_script(scratch, "cat >$1/out");
  CHECK(answer.status.ok());
  CHECK(answer.serial == 42);
  CHECK(content_of(scratch / "out") == "Return-Path: <a@x.test>\nDelivered-To: bob@y.test\nSubject: x\n\nbody\n");
  CHECK(answer.bytes == content_of(scratch / "out").size());
}

TEST_CASE("a program gets three descriptors, a small harmless environment and the root directory") {
  Scratch scratch;
  REQUIRE(run_script(scratch, "ls /proc/self/fd | wc -l >$1/fds; env >$1/env; pwd >$1/pwd; ulimit -c >$1/core; umask >$1/mask; cat >/dev/null").status.ok());
  CHECK(content_of(scratch / "fds") == "4\n");   // 0, 1, 2 and the directory that ls reads
  CHECK(content_of(scratch / "pwd") == "/\n");
  CHECK(content_of(scratch / "core") == "0\n");
  CHECK(content_of(scratch / "mask") == "0077\n");
  auto environment = content_of(scratch / "env");
  CHECK(environment.find("SENDER=_____:____touch_/tmp/pwn\n") != std::string::npos);
  CHECK(environment.find("RECIPIENT=bob@y.test\n") != std::string::npos);
  CHECK(environment.find("PATH=/usr/local/bin:/usr/bin:/bin\n") != std::string::npos);
  for (const char* bad : {"LD_PRELOAD", "IFS=x", "evil", "BASH_ENV", "TMPDIR"}) CHECK(environment.find(bad) == std::string::npos);
}

TEST_CASE("the exit status decides, by sysexits.h, and what is unknown defers") {
  struct Row { int code; const char* want; };
  for (auto row : {Row{0, "250 2.2.0"}, {1, "451 4.3.0"}, {64, "451 4.3.0"}, {65, "554 5.6.0"}, {67, "550 5.1.1"}, {68, "550 5.1.2"}, {69, "554 5.3.0"},
                   {70, "451 4.3.0"}, {73, "451 4.3.0"}, {75, "451 4.3.0"}, {76, "554 5.5.0"}, {77, "550 5.7.0"}, {78, "451 4.3.0"}, {126, "451 4.3.0"}, {255, "451 4.3.0"}}) {
    CHECK(status_of_exit(row.code, "").line().starts_with(row.want));
  }
  Scratch scratch;
  auto answer = run_script(scratch, "printf 'no\\001 such user\\n'; exit 67");
  CHECK(answer.status.line() == "550 5.1.1 /bin/sh: the program ended with status 67: no\\x01 such user");
  CHECK(run_script(scratch, "kill -SEGV $$").status.line() == "451 4.3.0 /bin/sh: the program was ended by signal 11");
}

TEST_CASE("a program that can't be run defers and says why") {
  Scratch scratch;
  Job job = job_for(JobKind::pipe, "");
  job.command = {scratch / "nowhere"};
  auto fd = scratch.message(job, "x");
  auto answer = deliver_pipe(job, fd.get());
  CHECK(answer.status.temporary());
  CHECK(answer.status.text().find("can't be run: No such file or directory") != std::string::npos);
}

TEST_CASE("a program that reads nothing, or talks much, ends as its status says") {
  Scratch scratch;
  std::string large(5u << 20, 'x');
  CHECK(run_script(scratch, "exit 0", large).status.ok());
  CHECK(run_script(scratch, "exec 0<&-; sleep 0.1; exit 75", large).status.code() == 451);
  auto answer = run_script(scratch, "head -c 3000000 /dev/zero | tr '\\0' y; cat | wc -c >$1/n; exit 69", large);
  CHECK(answer.status.code() == 554);
  CHECK(answer.status.text().size() < 1000);
  CHECK(std::stoul(content_of(scratch / "n")) == large.size() + 49);
}

TEST_CASE("a program past its time is killed with its children and the mail deferred") {
  Scratch scratch;
  auto begun = std::chrono::steady_clock::now();
  auto answer = run_script(scratch, "(sleep 2; echo late >$1/late) & cat >/dev/null; sleep 100", "x", Duration(300));
  CHECK(answer.status.line() == "450 4.2.0 /bin/sh: the program did not end in time");
  CHECK(run_script(scratch, "sleep 100", std::string(1u << 20, 'x'), Duration(300)).status.temporary());
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(1900));
  ::usleep(1600'000);
  CHECK_FALSE(std::filesystem::exists(scratch / "late"));
}

TEST_CASE("a daemon that a program leaves behind does not hold the delivery") {
  Scratch scratch;
  auto begun = std::chrono::steady_clock::now();
  CHECK(run_script(scratch, "sleep 20 & exit 0").status.ok());
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
}

}  // namespace mansio::deliver
