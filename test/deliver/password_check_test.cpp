#include "deliver/password_check.hpp"

#include <security/pam_appl.h>
#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "../event/run_on_loop.hpp"
#include "deliver/agent.hpp"
#include "deliver/agent_pool.hpp"
#include "deliver/packet_channel.hpp"
#include "event/timer.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

// PAM with services of its own. Modules stand in the system's place.
class Services {
 public:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(scratch_ / name) << text;
    std::ofstream(scratch_ / "other") << "auth required pam_deny.so\naccount required pam_deny.so\n";
  }
  std::string script(const std::string& name, const std::string& text) const {
    auto path = scratch_ / name;
    std::ofstream(path) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(path, std::filesystem::perms(0755));
    return path;
  }
  PasswordAgentOptions options() const {
    PasswordAgentOptions out;
    out.directory = scratch_.path();
    return out;
  }
  std::string operator/(const std::string& name) const { return scratch_ / name; }

 private:
  Scratch scratch_;
};

Job check_of(const std::string& service, const std::string& user, const std::string& password) {
  Job job;
  job.serial = 5;
  job.kind = JobKind::password_check;
  job.service = service;
  job.user = user;
  job.secret = crypto::Secret(password);
  job.remote = "192.0.2.7";
  return job;
}

std::string outcome(const Answer& answer) {
  if (!answer.status.ok()) return "unavailable: " + answer.status.text();
  return answer.found ? "accepted " + answer.user : "denied";
}

// A password agent in a process of its own.
class RunningPasswords {
 public:
  explicit RunningPasswords(PasswordAgentOptions options = {}) {
    auto pair = make_channel();
    if (!pair) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      pair->ours.reset();
      ::_exit(password_agent_main(pair->theirs.release(), options));
    }
    channel_ = std::move(pair->ours);
  }
  ~RunningPasswords() { end(); }
  RunningPasswords(const RunningPasswords&) = delete;
  RunningPasswords& operator=(const RunningPasswords&) = delete;

  int channel() const { return channel_.get(); }
  UniqueFd take_channel() { return std::move(channel_); }
  pid_t pid() const { return pid_; }
  Answer ask(const Job& job) {
    auto packet = encode_job(job);
    REQUIRE(packet);
    REQUIRE(send_packet(channel_.get(), *packet));
    auto reply = receive_packet(channel_.get());
    REQUIRE(reply);
    auto answer = decode_answer(reply->bytes);
    REQUIRE(answer);
    CHECK(answer->serial == job.serial);
    return *answer;
  }
  int end() {
    if (pid_ < 0) return -1;
    channel_.reset();
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  UniqueFd channel_;
};

const std::string permits = "auth required pam_permit.so\naccount required pam_permit.so\n";
const std::string denies = "auth required pam_deny.so\naccount required pam_permit.so\n";

}  // namespace

TEST_CASE("what PAM's answers mean: no, or trouble of its own") {
  for (int code : {PAM_AUTH_ERR, PAM_USER_UNKNOWN, PAM_MAXTRIES, PAM_ACCT_EXPIRED, PAM_PERM_DENIED, PAM_NEW_AUTHTOK_REQD}) {
    CHECK(meaning_of_pam(code) == PamVerdict::denied);
  }
  for (int code : {PAM_AUTHINFO_UNAVAIL, PAM_SYSTEM_ERR, PAM_OPEN_ERR, PAM_SERVICE_ERR, PAM_BUF_ERR, PAM_ABORT, PAM_CONV_ERR, PAM_IGNORE, -1, 999}) {
    CHECK(meaning_of_pam(code) == PamVerdict::unavailable);
  }
  CHECK(meaning_of_pam(PAM_SUCCESS) == PamVerdict::accepted);
}

TEST_CASE("PAM lets in, denies, and an account that is closed is denied with the right password") {
  Services services;
  services.write("permit", permits);
  services.write("deny", denies);
  services.write("closed", "auth required pam_permit.so\naccount required pam_deny.so\n");
  services.write("broken", "auth required /nowhere/pam_none.so\naccount required pam_permit.so\n");
  auto ask = [&](const char* service, const char* user) {
    return outcome(check_password_by_pam(check_of(service, user, "x"), services.options(), -1));
  };
  CHECK(ask("permit", "daemon") == "accepted daemon");
  CHECK(ask("permit", "nobody-here") == "accepted nobody-here");   // a user of PAM's alone
  CHECK(ask("deny", "daemon") == "denied");
  CHECK(ask("closed", "daemon") == "denied");
  CHECK(ask("no-such-service", "daemon") == "denied");             // "other"
  CHECK(ask("broken", "daemon").starts_with("unavailable: PAM service broken: "));
}

TEST_CASE("uid 0 is not let in, but PAM is asked about it as about anybody") {
  Services services;
  auto script = services.script("script", "echo asked >>" + (services / "asked") + "\n");
  services.write("permit", "auth required pam_exec.so quiet " + script + "\naccount required pam_permit.so\n");
  CHECK(outcome(check_password_by_pam(check_of("permit", "root", "x"), services.options(), -1)) == "denied");
  CHECK(content_of(services / "asked") == "asked\n");
}

TEST_CASE("a module sees the password, the user, the client and the service, and its answer counts") {
  Services services;
  auto script = services.script("script",
      "echo \"$PAM_SERVICE $PAM_USER $PAM_RHOST $PAM_TYPE\" >" + (services / "seen") + "\n"
      "[ \"$(tr -d '\\0')\" = 'right: \"p w$\"' ]\n");
  services.write("exec", "auth required pam_exec.so quiet expose_authtok " + script + "\naccount required pam_permit.so\n");
  auto right = check_password_by_pam(check_of("exec", "daemon", "right: \"p w$\""), services.options(), -1);
  CHECK(outcome(right) == "accepted daemon");
  CHECK(content_of(services / "seen") == "exec daemon 192.0.2.7 auth\n");
  CHECK_FALSE(outcome(check_password_by_pam(check_of("exec", "daemon", "wrong"), services.options(), -1)).starts_with("accepted"));
}

TEST_CASE("PAM's delay after a failure is not slept in the agent, but told") {
  Services services;
  services.write("slow", "auth required pam_faildelay.so delay=3000000\nauth required pam_deny.so\naccount required pam_permit.so\n");
  auto answer = check_password_by_pam(check_of("slow", "daemon", "x"), services.options(), -1);
  CHECK(outcome(answer) == "denied");
  CHECK(answer.hold > Duration(1000));   // libpam varies the three seconds
  CHECK(answer.hold <= Duration(5000));
}

TEST_CASE("a module that hangs is ended with all it has started, and the answer is that PAM does not work") {
  Services services;
  auto script = services.script("script", "echo $$ >" + (services / "pid") + "\nexec sleep 600\n");
  services.write("hang", "auth required pam_exec.so quiet " + script + "\naccount required pam_permit.so\n");
  Job job = check_of("hang", "daemon", "x");
  job.timeout = Duration(1500);
  RunningPasswords agent(services.options());
  CHECK(outcome(agent.ask(job)).starts_with("unavailable: "));
  auto pid = static_cast<pid_t>(std::strtol(content_of(services / "pid").c_str(), nullptr, 10));
  REQUIRE(pid > 1);
  auto alive = [&] {   // a zombie that nobody has reaped yet counts as ended
    auto stat = content_of("/proc/" + std::to_string(pid) + "/stat");
    return !stat.empty() && stat.find(") Z") == std::string::npos && stat.find(") X") == std::string::npos;
  };
  for (int i = 0; i < 500 && alive(); ++i) ::usleep(10'000);
  CHECK_FALSE(alive());
}

TEST_CASE("a password agent answers one job after the other, and ends with its channel, even under a check") {
  Services services;
  services.write("permit", permits);
  services.write("deny", denies);
  auto script = services.script("script", "exec sleep 600\n");
  services.write("hang", "auth required pam_exec.so quiet " + script + "\naccount required pam_permit.so\n");
  RunningPasswords agent(services.options());
  for (const char* service : {"permit", "deny", "permit"}) {
    auto answer = agent.ask(check_of(service, "daemon", "x"));
    CHECK(answer.found == (std::string(service) == "permit"));
  }
  REQUIRE(send_packet(agent.channel(), encode_job(check_of("hang", "daemon", "x")).value()));
  auto begun = std::chrono::steady_clock::now();
  CHECK(agent.end() == 0);
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(20));   // not the half minute of the check
}

TEST_CASE("a password agent does nothing else, and other agents check no passwords") {
  RunningPasswords agent;
  Job job;
  job.kind = JobKind::user_lookup;
  job.user = "root";
  REQUIRE(send_packet(agent.channel(), encode_job(job).value()));
  CHECK(receive_packet(agent.channel()).error().fault() == Fault::closed);
  CHECK(agent.end() == 70);
  auto answer = Worker().run(check_of("permit", "daemon", "x"), -1);
  CHECK(outcome(answer) == "unavailable: this agent checks no passwords");
}

TEST_CASE("a password check that names no service, a path, or no password is no job") {
  CHECK(encode_job(check_of("permit", "daemon", "x")));
  for (const char* service : {"", "../x", "/etc/passwd", "a/b", ".", ".hidden", "a\nb"}) CHECK_FALSE(encode_job(check_of(service, "daemon", "x")));
  for (const char* user : {"", "a\nb", "a\x01"}) CHECK_FALSE(encode_job(check_of("permit", user, "x")));
  CHECK_FALSE(encode_job(check_of("permit", "daemon", "")));
  auto back = decode_job(encode_job(check_of("permit", "daemon", "secret")).value());
  REQUIRE(back);
  CHECK(back->secret.view() == "secret");
  CHECK(back->service == "permit");
  CHECK(back->remote == "192.0.2.7");
}

namespace {

event::Task<> put(AgentPool* pool, Job job, Answer* out) {
  spool::Content nothing;
  auto task = pool->run(std::move(job), std::move(nothing));
  *out = co_await task;
}

event::Task<> side_by_side(event::OnLoop* on, AgentPool* pool, std::vector<std::string>* out) {
  Answer slow, quick;
  Job hanging = check_of("hang", "daemon", "x");
  hanging.timeout = Duration(2000);
  on->scope.spawn(put(pool, std::move(hanging), &slow));
  for (const char* service : {"permit", "deny", "permit"}) {
    Job job = check_of(service, "daemon", "x");
    auto task = put(pool, std::move(job), &quick);
    co_await task;
    out->push_back(outcome(quick));
  }
  out->push_back(on->scope.running() == 2 ? "the slow one goes on" : "the slow one has ended");
  while (on->scope.running() > 1) {
    event::Timer timer(on->loop);
    co_await timer.sleep(Duration(5));
  }
  out->push_back(outcome(slow).substr(0, 12));
}

event::Task<> kill_under_check(event::OnLoop* on, AgentPool* pool, pid_t agent, const std::string* begun, std::vector<std::string>* out) {
  Answer first, waiting, later;
  on->scope.spawn(put(pool, check_of("hang", "daemon", "x"), &first));
  on->scope.spawn(put(pool, check_of("permit", "daemon", "x"), &waiting));
  while (::access(begun->c_str(), F_OK) != 0) {
    event::Timer timer(on->loop);
    co_await timer.sleep(Duration(5));
  }
  ::kill(agent, SIGKILL);
  while (on->scope.running() > 1) {
    event::Timer timer(on->loop);
    co_await timer.sleep(Duration(5));
  }
  Job job = check_of("permit", "daemon", "x");
  auto task = put(pool, std::move(job), &later);
  co_await task;
  *out = {outcome(first), outcome(waiting), outcome(later)};
}

}  // namespace

TEST_CASE("a check that hangs holds up no other, and agents for mailboxes check no passwords") {
  Services services;
  services.write("permit", permits);
  services.write("deny", denies);
  auto script = services.script("script", "exec sleep 600\n");
  services.write("hang", "auth required pam_exec.so quiet " + script + "\naccount required pam_permit.so\n");
  RunningPasswords one(services.options()), two(services.options()), other(services.options());
  event::OnLoop on;
  AgentPool pool(on.loop);
  REQUIRE(pool.add(other.take_channel(), AgentKind::deliveries));   // would answer if it were asked
  Answer none;
  on.run(put(&pool, check_of("permit", "daemon", "x"), &none));
  CHECK(outcome(none) == "unavailable: there is no agent that checks passwords");
  REQUIRE(pool.add(one.take_channel(), AgentKind::passwords));
  REQUIRE(pool.add(two.take_channel(), AgentKind::passwords));
  std::vector<std::string> seen;
  on.run(side_by_side(&on, &pool, &seen));
  CHECK(seen == std::vector<std::string>{"accepted daemon", "denied", "accepted daemon", "the slow one goes on", "unavailable:"});
}

TEST_CASE("when the agent dies, the check under way and those that wait are unavailable") {
  Services services;
  services.write("permit", permits);
  auto begun = services / "begun";
  auto script = services.script("script", "echo >" + begun + "\nexec sleep 600\n");
  services.write("hang", "auth required pam_exec.so quiet " + script + "\naccount required pam_permit.so\n");
  RunningPasswords agent(services.options());
  event::OnLoop on;
  AgentPool pool(on.loop);
  REQUIRE(pool.add(agent.take_channel(), AgentKind::passwords));
  std::vector<std::string> seen;
  on.run(kill_under_check(&on, &pool, agent.pid(), &begun, &seen));
  CHECK(seen == std::vector<std::string>{"unavailable: the delivery agent ended unexpectedly", "unavailable: there is no agent that checks passwords",
                                         "unavailable: there is no agent that checks passwords"});
}

}  // namespace mansio::deliver
