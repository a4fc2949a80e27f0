#include "deliver/drop.hpp"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "deliver/content.hpp"
#include "running_agent.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

const std::string x_lines = "X-Sender: a@x.test\r\nX-Receiver: b@y.test\r\nReturn-Path: <a@x.test>\r\n";
const std::string letter = "Subject: x\r\n\r\nbody\r\n";

Job drop_job(const std::string& path) {
  Job job = job_for(JobKind::drop, path);
  job.name = "1xMNvF-0001cE-9Z.eml";
  job.prefix = x_lines;
  return job;
}

std::vector<std::string> sorted_names(const std::string& path) {
  auto names = names_in(path);
  std::ranges::sort(names);
  return names;
}

mode_t mode_of(const std::string& path) {
  struct stat st {};
  ::lstat(path.c_str(), &st);
  return st.st_mode & 07777;
}

struct SmallFiles {
  explicit SmallFiles(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    struct rlimit low {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &low);
  }
  ~SmallFiles() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  struct rlimit old_ {};
};

}  // namespace

TEST_CASE("a message becomes one file of a drop directory that did not exist, byte for byte") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  auto fd = scratch.message(job, letter);
  auto answer = deliver_drop(job, fd.get());
  CHECK(answer.status.line() == "250 2.2.0 delivered to " + job.path + "/" + job.name);
  CHECK(answer.serial == 42);
  CHECK(answer.bytes == x_lines.size() + letter.size());
  CHECK(answer.use.counted == 0);
  CHECK(names_in(job.path) == std::vector<std::string>{job.name});
  CHECK(content_of(job.path + "/" + job.name) == x_lines + letter);
  CHECK(mode_of(job.path) == 0770);
  CHECK(mode_of(job.path + "/" + job.name) == 0640);
}

TEST_CASE("a large message with odd line ends, and an empty one, are dropped as they are") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  std::string odd = std::string(block_size - x_lines.size() - 1, 'x') + "\r\n\rx\nx" + std::string(2 * block_size, 'y') + std::string("\0\r", 2);
  auto fd = scratch.message(job, odd);
  job.mode = 0604;
  REQUIRE(deliver_drop(job, fd.get()).status.ok());
  CHECK((content_of(job.path + "/" + job.name) == x_lines + odd));
  CHECK(mode_of(job.path + "/" + job.name) == 0604);
  job.name = "empty.eml";
  job.prefix.clear();
  fd = scratch.message(job, "");
  REQUIRE(deliver_drop(job, fd.get()).status.ok());
  CHECK(content_of(job.path + "/empty.eml").empty());
}

TEST_CASE("a repeated delivery finds the file of the one before, and touches no other") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  auto fd = scratch.message(job, letter);
  REQUIRE(deliver_drop(job, fd.get()).status.ok());
  std::string second = "1xMNvF-0001cE-9Z-2.eml";
  SECTION("the same message and receivers") {
    auto again = deliver_drop(job, fd.get());
    CHECK(again.status.line() == "250 2.2.0 delivered by an earlier attempt");
    CHECK(again.bytes == 0);
    CHECK(names_in(job.path).size() == 1);
  }
  SECTION("other receivers of it get a second file, which is found again too") {
    job.prefix = "X-Sender: a@x.test\r\nX-Receiver: c@y.test\r\nReturn-Path: <a@x.test>\r\n";
    CHECK(deliver_drop(job, fd.get()).bytes > 0);
    CHECK(deliver_drop(job, fd.get()).bytes == 0);
    CHECK(sorted_names(job.path) == std::vector<std::string>{second, job.name});
    CHECK(content_of(job.path + "/" + second) == job.prefix + letter);
    CHECK(content_of(job.path + "/" + job.name) == x_lines + letter);
  }
  SECTION("a file of the same size with other content stays") {
    std::string other = x_lines + letter;
    other.back() = 'X';
    std::ofstream(job.path + "/" + job.name, std::ios::binary) << other;
    CHECK(deliver_drop(job, fd.get()).bytes > 0);
    CHECK(content_of(job.path + "/" + job.name) == other);
    CHECK(content_of(job.path + "/" + second) == x_lines + letter);
  }
  SECTION("a symlink of the name is not followed, a directory not taken for it") {
    std::filesystem::remove(job.path + "/" + job.name);
    std::ofstream(scratch / "victim") << (x_lines + letter);
    std::filesystem::create_symlink(scratch / "victim", job.path + "/" + job.name);
    std::filesystem::create_directory(job.path + "/" + second);
    CHECK(deliver_drop(job, fd.get()).bytes > 0);
    CHECK(content_of(job.path + "/1xMNvF-0001cE-9Z-3.eml") == x_lines + letter);
  }
  SECTION("one that its reader has taken comes again") {
    std::filesystem::remove(job.path + "/" + job.name);
    CHECK(deliver_drop(job, fd.get()).bytes > 0);
    CHECK(names_in(job.path).size() == 1);
  }
}

TEST_CASE("the rest of an attempt that was cut off is replaced, one that goes on is waited for") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  std::filesystem::create_directory(job.path);
  std::string hidden = job.path + "/." + job.name + ".tmp";
  std::ofstream(hidden) << "half";
  auto fd = scratch.message(job, letter);
  {
    UniqueFd other(::open(hidden.c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(::flock(other.get(), LOCK_EX) == 0);
    auto answer = deliver_drop(job, fd.get());
    CHECK(answer.status.code() == 450);
    CHECK(answer.status.text().find("another delivery of this message goes on") != std::string::npos);
    CHECK(content_of(hidden) == "half");
  }
  CHECK(deliver_drop(job, fd.get()).status.ok());
  CHECK(names_in(job.path) == std::vector<std::string>{job.name});
}

TEST_CASE("what stands in the way of a drop directory defers and says what it is") {
  Scratch scratch;
  struct Row { std::string path, text; };
  std::filesystem::create_directory(scratch / "real");
  std::filesystem::create_directory_symlink(scratch / "real", scratch / "link");
  std::ofstream(scratch / "file") << "x";
  std::filesystem::create_directory(scratch / "open");
  ::chmod((scratch / "open").c_str(), 0777);
  const std::vector<Row> rows{{"link", "it is a symlink"}, {"file", "it is no directory"}, {"open", "everybody may write in it: chmod o-w"},
                              {"missing/below", "the directory above does not exist"}};
  for (const Row& row : rows) {
    Job job = drop_job(scratch / row.path);
    auto fd = scratch.message(job, letter);
    auto answer = deliver_drop(job, fd.get());
    CHECK(answer.status.code() == 450);
    CHECK(answer.status.text().find("drop directory " + job.path + ": ") != std::string::npos);
    CHECK(answer.status.text().find(row.text) != std::string::npos);
  }
  CHECK(names_in(scratch / "real").empty());
  CHECK(names_in(scratch / "open").empty());
}

TEST_CASE("a full disk, and a segment that ends early, leave nothing in a drop directory") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  auto fd = scratch.message(job, std::string(3u << 20, 'x'));
  {
    SmallFiles low(1u << 20);
    auto answer = deliver_drop(job, fd.get());
    CHECK(answer.status.line().starts_with("452 4.2.2"));
    CHECK(answer.sys == EFBIG);
  }
  CHECK(names_in(job.path).empty());
  job.message.length += 1000;
  CHECK(deliver_drop(job, fd.get()).status.line().starts_with("451 4.3.0"));
  CHECK(names_in(job.path).empty());
  job.message.length -= 1000;
  CHECK(deliver_drop(job, fd.get()).status.ok());
}

TEST_CASE("quotas hold to the byte and the file, and room that is made is seen") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  auto fd = scratch.message(job, letter);
  std::uint64_t size = x_lines.size() + letter.size();
  SECTION("bytes") { job.quota = 3 * size; }
  SECTION("files") { job.quota_files = 3; }
  for (int i = 0; i < 3; ++i) {
    job.name = std::to_string(i) + ".eml";
    auto answer = deliver_drop(job, fd.get());
    REQUIRE(answer.status.ok());
    CHECK(answer.use.files == static_cast<std::uint64_t>(i + 1));
    CHECK(answer.use.bytes == size * static_cast<std::uint64_t>(i + 1));
    job.use = answer.use;
  }
  job.name = "3.eml";
  auto full = deliver_drop(job, fd.get());
  std::string files = job.quota_files != 0 ? "3 files of 3" : "3 files";
  std::string bytes = job.quota != 0 ? fmt::format("{0} bytes of {0}", 3 * size) : fmt::format("{} bytes", 3 * size);
  CHECK(full.status.line() == fmt::format("452 4.2.2 the drop directory {} is full: it holds {}, {}, and the message has {} bytes", job.path, files, bytes, size));
  CHECK(names_in(job.path).size() == 3);
  job.use = full.use;
  job.name = "1.eml";
  CHECK(deliver_drop(job, fd.get()).status.line() == "250 2.2.0 delivered by an earlier attempt");      // it is in already
  std::filesystem::remove(job.path + "/0.eml");
  job.name = "3.eml";
  auto room = deliver_drop(job, fd.get());
  CHECK(room.status.ok());
  CHECK(room.use.files == 3);
}

TEST_CASE("hidden files count, directories don't, and a message larger than the quota never fits") {
  Scratch scratch;
  Job job = drop_job(scratch / "drop");
  std::filesystem::create_directories(job.path + "/done");
  std::ofstream(job.path + "/done/a") << "1234567890";
  std::ofstream(job.path + "/.hidden") << "12345";
  std::ofstream(job.path + "/b.eml") << "123";
  UniqueFd directory(::open(job.path.c_str(), O_RDONLY | O_CLOEXEC));
  auto use = count_directory(directory.get());
  REQUIRE(use);
  CHECK(use->files == 2);
  CHECK(use->bytes == 8);
  CHECK(use->counted > 0);
  job.quota = 10;
  auto fd = scratch.message(job, letter);
  CHECK(deliver_drop(job, fd.get()).status.code() == 452);
}

TEST_CASE("a directory is counted when others changed it, but not at each message") {
  constexpr std::uint64_t second = 1'000'000'000;
  struct Row { std::string what; std::uint64_t files, changed, age, cost; bool count; };
  const std::vector<Row> rows{
      {"nothing changed", 5, 7, second * 30, 0, false},
      {"changed, just counted", 5, 8, second / 2, 0, false},
      {"changed, a second later", 5, 8, second, 0, true},
      {"changed, counting is slow", 5, 8, second * 3, second / 4, false},
      {"changed, counting is slow, long ago", 5, 8, second * 5, second / 4, true},
      {"a minute later in any case", 5, 7, second * 60, 0, true},
      {"full, nothing changed", 10, 7, second / 2, 0, false},
      {"full and changed", 10, 8, 1, 0, true},
      {"full, a second later: it may have changed while we wrote", 10, 7, second, 0, true},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Job job = drop_job("/d");
    job.quota_files = 10;
    job.use.files = row.files;
    job.use.changed = 7;
    job.use.counted = 100 * second;
    job.use.cost = row.cost;
    CHECK(must_count(job, 100, row.changed, 100 * second + row.age) == row.count);
  }
  Job never = drop_job("/d");
  never.quota = 1000;
  CHECK(must_count(never, 100, 7, second));
  never.use.counted = 2 * second;
  CHECK(must_count(never, 100, 0, second));        // of a machine that was started anew
}

TEST_CASE("ten thousand deliveries while files are taken away count a directory some dozen times") {
  Job job = drop_job("/d");
  job.quota_files = 20'000;
  constexpr std::uint64_t millisecond = 1'000'000;
  std::uint64_t now = 1, counts = 0;
  for (int i = 0; i < 10'000; ++i) {
    now += millisecond;
    if (must_count(job, 100, now, now)) {
      ++counts;
      job.use.counted = now;
      job.use.cost = 15 * millisecond;
    }
    job.use.changed = now - 1;         // somebody else changes it after each
    ++job.use.files;
  }
  CHECK(counts < 12);
}

TEST_CASE("the owner of a drop directory is looked up by name") {
  Job job = drop_job("/d");
  job.owner = "root:root";
  CHECK(find_owner(job).ok());
  CHECK(job.uid == 0);
  CHECK(job.user == "root");
  job.owner = "no-such-user-here";
  CHECK(find_owner(job).line() == "451 4.3.5 the drop directory /d is to be of the user \"no-such-user-here\", who does not exist");
  job.owner = "root:no-such-group";
  CHECK(find_owner(job).line() == "451 4.3.5 the drop directory /d is to be of the group \"no-such-group\", which does not exist");
}

TEST_CASE("root makes a drop directory for its owner only where nobody else may write") {
  if (::geteuid() != 0) return;
  Scratch scratch;
  REQUIRE(create_drop_directory(scratch / "a", 54321, 54322));
  struct stat st {};
  ::lstat((scratch / "a").c_str(), &st);
  CHECK(st.st_uid == 54321);
  CHECK(st.st_gid == 54322);
  CHECK((st.st_mode & 07777) == 0770);
  CHECK(create_drop_directory(scratch / "a", 1, 1).error().fault() == Fault::exists);
  ::chmod(scratch.path().c_str(), 0775);
  CHECK_FALSE(create_drop_directory(scratch / "b", 54321, 54322));
  ::chmod(scratch.path().c_str(), 0755);
  CHECK_FALSE(create_drop_directory(scratch / "a/b", 54321, 54322));       // its owner does that himself
  std::filesystem::create_directory(scratch / "real");
  std::filesystem::create_directory_symlink(scratch / "real", scratch / "link");
  CHECK_FALSE(create_drop_directory(scratch / "link/b", 54321, 54322));
  CHECK_FALSE(std::filesystem::exists(scratch / "real/b"));
}

TEST_CASE("an agent drops as the owner that the job names, and refuses what it can't be") {
  Scratch scratch;
  AgentOptions options;
  options.may_be_root = true;
  RunningAgent agent(options);
  Job job = drop_job(scratch / "drop");
  job.owner = "no-such-user-here";
  auto fd = scratch.message(job, letter);
  job.message.fd_slot = 3;
  CHECK(agent.ask(job, fd.get()).status.line().starts_with("451 4.3.5"));
  job.owner = "root:root";
  auto answer = agent.ask(job, fd.get());
  if (::geteuid() == 0) CHECK(answer.status.ok());
  else CHECK(answer.status.temporary());
}

}  // namespace mansio::deliver
