#include "deliver/maildir.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "deliver/content.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

const std::string prefix_lf = "Return-Path: <a@x.test>\nDelivered-To: bob@y.test\n";

struct LowFileSize {
  explicit LowFileSize(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    struct rlimit low {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &low);
  }
  ~LowFileSize() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  struct rlimit old_ {};
};

}  // namespace

TEST_CASE("CRLF becomes LF and every other byte stays") {
  struct Row { std::string in, out; };
  const std::vector<Row> rows{{"", ""}, {"a\r\nb\r\n", "a\nb\n"}, {"\r\n\r\n", "\n\n"}, {"a\rb\nc", "a\rb\nc"}, {"\r\r\n\n\r", "\r\n\n\r"},
                              {std::string("\0\r\n\0", 4), std::string("\0\n\0", 3)}, {"x\r\r\r\ny", "x\r\r\ny"}, {"no end", "no end"}};
  for (auto row : rows) {
    auto size = crlf_to_lf(row.in.data(), row.in.size());
    CHECK(row.in.substr(0, size) == row.out);
  }
}

TEST_CASE("content cut at any block boundary arrives whole") {
  Scratch scratch;
  Job job = job_for(JobKind::maildir, "/x");
  job.prefix.clear();
  for (std::size_t shift : {0u, 1u, 2u}) {
    std::string sent = std::string(block_size - 1 - shift, 'x') + "\r\n\r\n" + std::string(2 * block_size, 'y') + "\r\r\n\r";
    std::string want = std::string(block_size - 1 - shift, 'x') + "\n\n" + std::string(2 * block_size, 'y') + "\r\n\r";
    for (bool binary : {false, true}) {
      job.binary = binary;
      auto fd = scratch.message(job, sent);
      Content content(job, fd.get());
      std::string got;
      for (;;) {
        auto block = content.next();
        REQUIRE(block);
        if (block->empty()) break;
        got += *block;
      }
      CHECK((got == (binary ? sent : want)));
    }
  }
}

TEST_CASE("a message comes into new/ of a Maildir that did not exist") {
  Scratch scratch;
  ::mkdir((scratch / "home").c_str(), 0755);
  Job job = job_for(JobKind::maildir, scratch / "home/mail/Maildir");
  job.home = scratch / "home";
  MaildirCache cache;
  auto fd = scratch.message(job, "Subject: x\r\n\r\nbody\r\n");
  auto answer = deliver_maildir(job, fd.get(), cache);
  CHECK(answer.status.line() == "250 2.2.0 delivered to " + job.path);
  CHECK(answer.serial == 42);
  CHECK(content_of(job.path + "/new/" + job.name) == prefix_lf + "Subject: x\n\nbody\n");
  CHECK(answer.bytes == prefix_lf.size() + 17);
  CHECK(names_in(job.path + "/tmp").empty());
  CHECK(names_in(job.path + "/cur").empty());
  struct stat st {};
  ::stat(job.path.c_str(), &st);
  CHECK((st.st_mode & 07777) == 0700);
  ::stat((job.path + "/new/" + job.name).c_str(), &st);
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("a binary message and an empty one arrive byte for byte") {
  Scratch scratch;
  MaildirCache cache;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  job.prefix.clear();
  job.binary = true;
  std::string bytes("\r\n\0\n\r\r\n\xff", 8);
  auto fd = scratch.message(job, bytes);
  CHECK(deliver_maildir(job, fd.get(), cache).status.ok());
  CHECK(content_of(job.path + "/new/" + job.name) == bytes);
  job.name = "empty";
  fd = scratch.message(job, "");
  CHECK(deliver_maildir(job, fd.get(), cache).status.ok());
  CHECK(names_in(job.path + "/new").size() == 2);
}

TEST_CASE("a delivery that may be a repetition finds itself in new/ and in cur/") {
  Scratch scratch;
  MaildirCache cache;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  auto fd = scratch.message(job, "x\r\n");
  REQUIRE(deliver_maildir(job, fd.get(), cache).status.ok());
  SECTION("even a first attempt never writes over a message") {
    CHECK(deliver_maildir(job, fd.get(), cache).status.ok());
    CHECK(names_in(job.path + "/new").size() == 1);
    CHECK(names_in(job.path + "/tmp").empty());
  }
  job.maybe_repeated = true;
  SECTION("in new/") {
    CHECK(deliver_maildir(job, fd.get(), cache).status.text() == "delivered by an earlier attempt");
    CHECK(names_in(job.path + "/new").size() == 1);
  }
  SECTION("in new/, and in tmp/ under the name that a file system brought back when the power went") {
    std::filesystem::create_hard_link(job.path + "/new/" + job.name, job.path + "/tmp/" + job.name);
    CHECK(deliver_maildir(job, fd.get(), cache).status.text() == "delivered by an earlier attempt");
    CHECK(names_in(job.path + "/new").size() == 1);
    CHECK(names_in(job.path + "/tmp").empty());
  }
  SECTION("in cur/ with flags") {
    std::filesystem::rename(job.path + "/new/" + job.name, job.path + "/cur/" + job.name + ":2,RS");
    CHECK(deliver_maildir(job, fd.get(), cache).status.text() == "delivered by an earlier attempt");
    CHECK(names_in(job.path + "/new").empty());
  }
  SECTION("another message whose name begins alike does not count") {
    std::filesystem::rename(job.path + "/new/" + job.name, job.path + "/cur/" + job.name + "5:2,");
    CHECK(deliver_maildir(job, fd.get(), cache).bytes > 0);
    CHECK(names_in(job.path + "/new").size() == 1);
  }
  SECTION("the rest of an attempt that was cut off in tmp/ is replaced") {
    std::filesystem::remove(job.path + "/new/" + job.name);
    std::ofstream(job.path + "/tmp/" + job.name) << "half";
    CHECK(deliver_maildir(job, fd.get(), cache).status.ok());
    CHECK(content_of(job.path + "/new/" + job.name) == prefix_lf + "x\n");
    CHECK(names_in(job.path + "/tmp").empty());
  }
}

TEST_CASE("what stands in the way of a Maildir defers and says what it is") {
  Scratch scratch;
  MaildirCache cache;
  Job job = job_for(JobKind::maildir, scratch / "home/Maildir");
  job.home = scratch / "home";
  auto fd = scratch.message(job, "x\r\n");
  SECTION("no home") {
    auto answer = deliver_maildir(job, fd.get(), cache);
    CHECK(answer.status.code() == 450);
    CHECK(answer.status.text().find("home directory " + job.home + " does not exist") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(job.home));
  }
  ::mkdir((scratch / "home").c_str(), 0755);
  SECTION("a file where the Maildir should be") {
    std::ofstream(job.path) << "x";
    CHECK(deliver_maildir(job, fd.get(), cache).status.temporary());
    CHECK(content_of(job.path) == "x");
  }
  SECTION("new/ is a symbolic link") {
    std::filesystem::create_directories(job.path + "/tmp");
    std::filesystem::create_directories(job.path + "/cur");
    std::filesystem::create_directories(scratch / "other");
    std::filesystem::create_directory_symlink(scratch / "other", job.path + "/new");
    CHECK(deliver_maildir(job, fd.get(), cache).status.temporary());
    CHECK(names_in(scratch / "other").empty());
  }
  SECTION("the segment is shorter than the job says") {
    job.message.length += 1000;
    auto answer = deliver_maildir(job, fd.get(), cache);
    CHECK(answer.status.line().starts_with("451 4.3.0"));
    CHECK(names_in(job.path + "/tmp").empty());
    CHECK(names_in(job.path + "/new").empty());
  }
}

TEST_CASE("a full disk defers with 4.2.2 and leaves nothing in tmp/") {
  Scratch scratch;
  MaildirCache cache;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  auto fd = scratch.message(job, std::string(3u << 20, 'x'));
  {
    LowFileSize low(1u << 20);
    auto answer = deliver_maildir(job, fd.get(), cache);
    CHECK(answer.status.line().starts_with("452 4.2.2"));
    CHECK(answer.sys == EFBIG);
  }
  CHECK(names_in(job.path + "/tmp").empty());
  CHECK(names_in(job.path + "/new").empty());
  CHECK(deliver_maildir(job, fd.get(), cache).status.ok());
}

TEST_CASE("of several deliveries at once, into several Maildirs, each has its own end") {
  Scratch scratch;
  MaildirCache cache(2);
  std::ofstream(scratch / "file") << "x";
  UniqueFd fd;
  std::vector<Job> jobs;
  for (int i = 0; i < 20; ++i) {
    Job job = job_for(JobKind::maildir, scratch / ("box" + std::to_string(i % 4)));
    if (i == 5) job.path = scratch / "file";
    fd = scratch.message(job, "common\r\n");
    if (i == 10) job.message.length += 1000;
    job.serial = static_cast<std::uint64_t>(i);
    job.name = "m" + std::to_string(i);
    job.prefix = "X: " + std::to_string(i) + "\r\n";
    jobs.push_back(job);
  }
  std::vector<MaildirDelivery> deliveries;
  for (const Job& job : jobs) deliveries.emplace_back(&job, fd.get());
  deliver_maildirs(deliveries, cache);
  for (int i = 0; i < 20; ++i) {
    const Answer& answer = deliveries[static_cast<std::size_t>(i)].answer;
    CHECK(answer.serial == static_cast<std::uint64_t>(i));
    bool fails = i == 5 || i == 10;
    CHECK(answer.status.ok() == !fails);
    CHECK((answer.bytes == 0) == fails);
    auto text = content_of(jobs[static_cast<std::size_t>(i)].path + "/new/m" + std::to_string(i));
    CHECK(text == (fails ? "" : "X: " + std::to_string(i) + "\ncommon\n"));
  }
  for (int box = 0; box < 4; ++box) {
    auto path = scratch / ("box" + std::to_string(box));
    CHECK(names_in(path + "/tmp").empty());
    CHECK(names_in(path + "/new").size() == (box == 1 || box == 2 ? 4u : 5u));
  }
}

TEST_CASE("a repeated delivery among others finds itself") {
  Scratch scratch;
  MaildirCache cache;
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  auto fd = scratch.message(job, "x\r\n");
  REQUIRE(deliver_maildir(job, fd.get(), cache).status.ok());
  std::filesystem::rename(job.path + "/new/" + job.name, job.path + "/cur/" + job.name + ":2,S");
  Job other = job;
  other.name = "other";
  job.maybe_repeated = true;
  std::vector<MaildirDelivery> deliveries{{&other, fd.get()}, {&job, fd.get()}};
  deliver_maildirs(deliveries, cache);
  CHECK(deliveries[0].answer.status.text() == "delivered to " + job.path);
  CHECK(deliveries[1].answer.status.text() == "delivered by an earlier attempt");
  CHECK(names_in(job.path + "/new") == std::vector<std::string>{"other"});
}

TEST_CASE("a Maildir that was moved away is made anew, and folders that vanish come back") {
  Scratch scratch;
  MaildirCache cache(1);
  Job job = job_for(JobKind::maildir, scratch / "Maildir");
  auto fd = scratch.message(job, "x\r\n");
  REQUIRE(deliver_maildir(job, fd.get(), cache).status.ok());
  std::filesystem::rename(job.path, scratch / "old");
  job.name = "second";
  REQUIRE(deliver_maildir(job, fd.get(), cache).status.ok());
  CHECK(names_in(job.path + "/new") == std::vector<std::string>{"second"});
  std::filesystem::remove_all(job.path + "/new");
  job.name = "third";
  REQUIRE(deliver_maildir(job, fd.get(), cache).status.ok());
  CHECK(names_in(job.path + "/new") == std::vector<std::string>{"third"});
  CHECK(names_in(scratch / "old/new").size() == 1);
}

}  // namespace mansio::deliver
