#include "deliver/mbox.hpp"

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <regex>

#include "deliver/mbox_repair.hpp"
#include "deliver/mbox_writer.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

// The messages of an mboxrd file, quoting taken off again: what a reader sees.
std::vector<std::string> read_mbox(const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  bool blank = true;
  while (at < text.size()) {
    auto end = text.find('\n', at);
    std::string line = text.substr(at, end == std::string::npos ? end : end - at + 1);
    at += line.size();
    if (blank && line.starts_with("From ")) {
      if (!out.empty() && !out.back().empty()) out.back().pop_back();   // the blank line that separates
      out.emplace_back();
    } else if (!out.empty()) {
      auto quoted = line.find_first_not_of('>');
      bool from = quoted != std::string::npos && quoted > 0 && line.compare(quoted, 5, "From ") == 0;
      out.back() += from ? line.substr(1) : line;
    }
    blank = line == "\n";
  }
  if (!out.empty() && !out.back().empty()) out.back().pop_back();
  return out;
}

// Another process that has the mailbox locked until it is dropped.
class Holder {
 public:
  explicit Holder(const std::string& path) {
    int ready[2];
    if (::pipe(ready) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      int fd = ::open(path.c_str(), O_RDWR);
      struct flock range {};
      range.l_type = F_WRLCK;
      ::fcntl(fd, F_SETLK, &range);
      [[maybe_unused]] auto n = ::write(ready[1], "x", 1);
      ::pause();
      ::_exit(0);
    }
    char c = 0;
    [[maybe_unused]] auto n = ::read(ready[0], &c, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~Holder() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("the From_ line holds one word for the sender and the time in UTC") {
  CHECK(from_line("a@b", 0) == "From a@b Thu Jan  1 00:00:00 1970\n");
  CHECK(from_line("", 1700000000) == "From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n");
  CHECK(from_line("a b\nFrom x\t\x7f\xff", 0) == "From a_b_From_x___ Thu Jan  1 00:00:00 1970\n");
}

TEST_CASE("messages of every awkward kind are read back from an mbox as they came") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  job.prefix.clear();
  std::vector<std::string> bodies{
      "Subject: a\r\n\r\nFrom here\r\n>From there\r\n>>From\r\nFro\r\n>\r\nFrom \r\n", "no header", "", std::string("\0\r\n\0", 4),
      "x\r\n\r\n\r\n", std::string(100000, 'F') + "rom \r\nFrom", "From \r\n", std::string(600000, '>') + "From x\r\n", "Fr", "a\rb\r\n>"};
  for (const auto& body : bodies) {
    auto fd = scratch.message(job, body);
    auto answer = deliver_mbox(job, fd.get());
    REQUIRE(answer.status.ok());
  }
  auto got = read_mbox(content_of(job.path));
  REQUIRE(got.size() == bodies.size());
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    auto want = bodies[i];
    for (auto at = want.find("\r\n"); at != std::string::npos; at = want.find("\r\n", at)) want.erase(at, 1);
    if (!want.empty() && want.back() != '\n') want += '\n';
    CHECK((got[i] == want));
  }
  CHECK(names_in(scratch.path()).size() == 2);   // no lock is left: box, segment
}

TEST_CASE("quoting does not depend on where the text is cut") {
  std::string text = "From a\n>From b\n>>Fro\nFrom\nFFrom \n>>>From c\nFrom ";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    FromQuoting quoting;
    std::string out;
    quoting.add(std::string_view(text).substr(0, cut), out);
    quoting.add(std::string_view(text).substr(cut), out);
    quoting.finish(out);
    CHECK(out == ">From a\n>>From b\n>>Fro\nFrom\nFFrom \n>>>>From c\n>From \n\n");
  }
}

TEST_CASE("a new mailbox is 0600 and a message after a foreign unfinished line stands on its own") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, "x\r\n");
  REQUIRE(deliver_mbox(job, fd.get()).status.ok());
  struct stat st {};
  ::stat(job.path.c_str(), &st);
  CHECK((st.st_mode & 07777) == 0600);
  std::ofstream(job.path, std::ios::trunc) << "From old x\n\nunfinished";
  REQUIRE(deliver_mbox(job, fd.get()).status.ok());
  CHECK(read_mbox(content_of(job.path)).size() == 2);
}

TEST_CASE("a mailbox that is not the owner's own plain file defers and is left alone") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, "x\r\n");
  std::ofstream(scratch / "target") << "secret\n";
  SECTION("symbolic link") { std::filesystem::create_symlink(scratch / "target", job.path); }
  SECTION("hard link") { std::filesystem::create_hard_link(scratch / "target", job.path); }
  SECTION("directory") { ::mkdir(job.path.c_str(), 0700); }
  SECTION("FIFO") { ::mkfifo(job.path.c_str(), 0600); }
  SECTION("somebody else's") {
    std::filesystem::copy(scratch / "target", job.path);
    job.uid += 1;
  }
  auto answer = deliver_mbox(job, fd.get());
  CHECK(answer.status.temporary());
  CHECK(content_of(scratch / "target") == "secret\n");
}

TEST_CASE("a full disk rolls the mailbox back to the byte") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, "small\r\n");
  REQUIRE(deliver_mbox(job, fd.get()).status.ok());
  auto before = content_of(job.path);
  fd = scratch.message(job, std::string(3u << 20, 'x'));
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  struct rlimit low {1u << 20, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &low);
  auto answer = deliver_mbox(job, fd.get());
  ::setrlimit(RLIMIT_FSIZE, &old);
  CHECK(answer.status.line().starts_with("452 4.2.2"));
  CHECK((content_of(job.path) == before));
}

TEST_CASE("a lock of another program is waited for within the bound, then the mail is deferred") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, "x\r\n");
  REQUIRE(deliver_mbox(job, fd.get()).status.ok());
  auto before = content_of(job.path);
  auto begun = std::chrono::steady_clock::now();
  SECTION("fcntl") {
    Holder holder(job.path);
    auto answer = deliver_mbox(job, fd.get(), Duration(300));
    CHECK(answer.status.code() == 450);
    CHECK(answer.status.text().find("locked by another program (fcntl)") != std::string::npos);
    CHECK(content_of(job.path) == before);
  }
  SECTION("dotlock") {
    std::ofstream(job.path + ".lock") << ::getpid() << "\n";
    auto answer = deliver_mbox(job, fd.get(), Duration(300));
    CHECK(answer.status.code() == 450);
    CHECK(answer.status.text().find("box.lock") != std::string::npos);
    CHECK(std::filesystem::exists(job.path + ".lock"));
    CHECK(content_of(job.path) == before);
  }
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(3));
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(290));
}

TEST_CASE("an old dotlock goes when its holder is gone and stays while it lives") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, "x\r\n");
  auto lock = job.path + ".lock";
  auto age = [&] { std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now() - std::chrono::minutes(11)); };
  SECTION("gone") {
    std::ofstream(lock) << "2147483000\n";
    age();
    CHECK(deliver_mbox(job, fd.get(), Duration(300)).status.ok());
    CHECK_FALSE(std::filesystem::exists(lock));
  }
  SECTION("alive") {
    std::ofstream(lock) << ::getpid() << "\n";
    age();
    CHECK(deliver_mbox(job, fd.get(), Duration(300)).status.temporary());
  }
  SECTION("ours, from before the machine started: the number is another process's now") {
    char host[256]{};
    REQUIRE(::gethostname(host, sizeof host - 1) == 0);
    std::ofstream(lock) << ::getpid() << "\nmansio " << host << "\n";
    CHECK(deliver_mbox(job, fd.get(), Duration(100)).status.temporary());
    timespec up{};
    ::clock_gettime(CLOCK_BOOTTIME, &up);
    auto before = std::chrono::seconds(up.tv_sec + 10);
    std::filesystem::last_write_time(lock, std::filesystem::file_time_type::clock::now() - before);
    CHECK(deliver_mbox(job, fd.get(), Duration(300)).status.ok());
  }
  SECTION("names nobody") {
    std::ofstream(lock) << "";
    age();
    CHECK(deliver_mbox(job, fd.get(), Duration(300)).status.ok());
  }
}

namespace {

struct Interrupted {
  std::string before, whole;
  MboxMark mark;
};

// A mailbox with one message, and what a second delivery would have written, with its mark.
Interrupted interrupt(Scratch& scratch, Job& job) {
  Interrupted out;
  auto fd = scratch.message(job, "first\r\n");
  REQUIRE(deliver_mbox(job, fd.get()).status.ok());
  out.before = content_of(job.path);
  auto from = from_line(job.sender, 1700000000);
  fd = scratch.message(job, "Subject: second\r\n\r\nbody\r\n\r\nFrom me\r\n");
  REQUIRE(write_mbox_block(job, fd.get(), "", from, [&](std::string_view piece) { return out.whole += piece, Result<>(); }));
  out.mark = {out.before.size(), out.whole.size(), checksum(out.whole), checksum(from), from.size()};
  return out;
}

}  // namespace

TEST_CASE("a torn tail of any length is cut back by the next delivery") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto torn = interrupt(scratch, job);
  auto fd = scratch.message(job, "third\r\n");
  UniqueFd box(::open(job.path.c_str(), O_RDWR | O_CLOEXEC));
  if (!set_mark(box.get(), torn.mark).value_or(false)) {
    WARN("no extended attributes here: not tested");
    return;
  }
  for (std::size_t n = 0; n <= torn.whole.size(); n += n < 60 ? 1 : 7) {
    std::ofstream(job.path, std::ios::trunc) << torn.before << torn.whole.substr(0, n);
    REQUIRE(set_mark(box.get(), torn.mark));
    REQUIRE(deliver_mbox(job, fd.get()).status.ok());
    auto messages = read_mbox(content_of(job.path));
    INFO("cut after " << n);
    CHECK(messages.size() == (n == torn.whole.size() ? 3 : 2));
    CHECK(messages.back().ends_with("\nthird\n"));
    CHECK(repair_mailbox(box.get()).value() == false);
  }
  SECTION("also one that is whole, but was given up") {
    std::ofstream(job.path, std::ios::trunc) << torn.before << torn.whole;
    torn.mark.checksum = ~torn.mark.checksum;
    REQUIRE(set_mark(box.get(), torn.mark));
    CHECK(repair_mailbox(box.get()).value() == true);
    CHECK(content_of(job.path) == torn.before);
  }
  SECTION("also one whose bytes never reached the disk") {
    std::ofstream(job.path, std::ios::trunc) << torn.before << std::string(torn.whole.size(), '\0');
    REQUIRE(set_mark(box.get(), torn.mark));
    CHECK(repair_mailbox(box.get()).value() == true);
    CHECK(content_of(job.path) == torn.before);
  }
}

TEST_CASE("a mark that no longer fits the mailbox cuts nothing") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto torn = interrupt(scratch, job);
  UniqueFd box(::open(job.path.c_str(), O_RDWR | O_CLOEXEC));
  if (!set_mark(box.get(), torn.mark).value_or(false)) return;
  std::string content;
  SECTION("other mail begins there") { content = torn.before + "From other@x Thu Jan  1 00:00:00 1970\n\nhi\n\n"; }
  SECTION("other mail follows the torn part") { content = torn.before + torn.whole.substr(0, 60) + "\n\nFrom o Thu Jan  1 00:00:00 1970\n\nh"; }
  SECTION("a reader made it shorter") { content = "From x y\n"; }
  SECTION("mail came after a whole delivery") { content = torn.before + torn.whole + "From o Thu Jan  1 00:00:00 1970\n\nhi\n\n"; }
  std::ofstream(job.path, std::ios::trunc) << content;
  CHECK(repair_mailbox(box.get()).value() == false);
  CHECK(content_of(job.path) == content);
}

TEST_CASE("kill -9 while it writes leaves no torn message behind the next delivery") {
  Scratch scratch;
  Job job = job_for(JobKind::mbox, scratch / "box");
  auto fd = scratch.message(job, std::string(20u << 20, 'x') + "\r\n");
  Job small = job;
  Scratch other;
  auto small_fd = other.message(small, "small\r\n");
  UniqueFd probe(::open((scratch / "probe").c_str(), O_RDWR | O_CREAT, 0600));
  if (!set_mark(probe.get(), MboxMark{}).value_or(false)) return;
  for (int round = 0; round < 8; ++round) {
    std::filesystem::remove(job.path);
    pid_t pid = ::fork();
    if (pid == 0) {
      deliver_mbox(job, fd.get());
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(4000 * round));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    REQUIRE(deliver_mbox(small, small_fd.get()).status.ok());
    for (const auto& message : read_mbox(content_of(job.path))) CHECK((message.size() < 200 || message.size() > (20u << 20)));
  }
}

}  // namespace mansio::deliver
