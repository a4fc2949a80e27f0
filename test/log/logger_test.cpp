#include "log/logger.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::log {
namespace {

namespace fs = std::filesystem;

struct Directory {
  Directory() {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/mansio-log-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() { fs::remove_all(path); }
  std::string operator/(const char* name) const { return path + "/" + name; }
  std::string path;
};

// stderr, caught in a file while it lives.
struct CaughtStderr {
  explicit CaughtStderr(const std::string& file) : path(file), before(::dup(2)) {
    int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(fd, 2);
    ::close(fd);
  }
  ~CaughtStderr() {
    ::dup2(before, 2);
    ::close(before);
  }
  std::string text() const { return read_file(path, 1 << 24).value_or(""); }
  std::string path;
  int before;
};

LoggerOptions in(const Directory& directory) {
  LoggerOptions options;
  options.directory = directory.path;
  options.retry_interval = Duration(20);
  options.syslog_socket = directory / "no-syslog";
  return options;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::string content = read_file(path, 1 << 26).value_or("");
  std::vector<std::string> lines;
  for (std::string_view line : split(content, '\n')) lines.emplace_back(line);
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::string without_stamp(const std::string& line) { return line.size() > 20 ? line.substr(20) : line; }

// Waits until `ready` holds; 5 s at most.
template <class F>
bool eventually(F ready) {
  for (int i = 0; i < 1000; ++i) {
    if (ready()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

TEST_CASE("events go to the logs they belong to, in order") {
  Directory directory;
  Logger logger(in(directory));
  logger.notice("one");
  logger.write(Rejection{.host = {"", "", "192.0.2.1", 0}, .sender = "a@b", .stage = Rejection::Stage::data, .reason = "no",
                         .recipients = {"c@d"}, .headers = {"Subject: x"}});
  logger.panic("two");
  logger.flush();
  auto main = lines_of(directory / "mainlog");
  REQUIRE(main.size() == 3);
  CHECK(without_stamp(main[0]) == "one");
  CHECK(without_stamp(main[1]) == "H=[192.0.2.1] F=<a@b> rejected after DATA: no");
  CHECK(without_stamp(main[2]) == "two");
  auto reject = lines_of(directory / "rejectlog");
  REQUIRE(reject.size() == 4);
  CHECK(reject[0] == main[1]);
  CHECK(reject[1] == "  Envelope-from: <a@b>");
  CHECK(reject[3] == "  Subject: x");
  CHECK(lines_of(directory / "paniclog") == std::vector<std::string>{main[2]});
  struct stat st {};
  REQUIRE(::stat((directory / "mainlog").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0640);
}

TEST_CASE("in health there is no panic log") {
  Directory directory;
  Logger logger(in(directory));
  logger.notice("one");
  logger.flush();
  CHECK_FALSE(fs::exists(directory / "paniclog"));
}

TEST_CASE("JSON alone goes to mainlog, both formats lie side by side") {
  Directory directory;
  LoggerOptions options = in(directory);
  options.format = Format::json;
  Logger logger(options);
  logger.notice("one");
  logger.flush();
  auto main = lines_of(directory / "mainlog");
  REQUIRE(main.size() == 1);
  CHECK(main[0].ends_with(R"("event":"notice","text":"one"})"));
  options.format = Format::both;
  logger.reconfigure(options);
  logger.panic("two");
  logger.flush();
  CHECK(lines_of(directory / "mainlog").size() == 2);
  CHECK(without_stamp(lines_of(directory / "mainlog")[1]) == "two");
  REQUIRE(lines_of(directory / "mainlog.json").size() == 1);
  CHECK(lines_of(directory / "mainlog.json")[0].ends_with(R"("event":"panic","text":"two"})"));
  CHECK(lines_of(directory / "paniclog.json") == lines_of(directory / "mainlog.json"));
}

TEST_CASE("a renamed log is written on until reopen, then a new one begins") {
  Directory directory;
  Logger logger(in(directory));
  logger.notice("one");
  logger.flush();
  fs::rename(directory / "mainlog", directory / "mainlog.1");
  logger.notice("two");
  logger.flush();
  CHECK(lines_of(directory / "mainlog.1").size() == 2);
  logger.reopen();
  logger.notice("three");
  logger.flush();
  CHECK(lines_of(directory / "mainlog.1").size() == 2);
  REQUIRE(lines_of(directory / "mainlog").size() == 1);
  CHECK(without_stamp(lines_of(directory / "mainlog")[0]) == "three");
}

TEST_CASE("a full disk: lines go to stderr, and the panic log says so afterwards") {
  Directory directory;
  CaughtStderr caught(directory / "stderr");
  fs::create_symlink("/dev/full", directory / "mainlog");
  Logger logger(in(directory));
  logger.notice("one");
  logger.notice("two");
  logger.flush();
  CHECK(caught.text().find(" one\n") != std::string::npos);
  CHECK(caught.text().find(" two\n") != std::string::npos);
  fs::remove(directory / "mainlog");
  logger.reopen();
  logger.notice("three");
  logger.flush();
  auto main = lines_of(directory / "mainlog");
  REQUIRE(main.size() == 2);
  CHECK(main[0].find("No space left on device; 2 lines went elsewhere") != std::string::npos);
  CHECK(without_stamp(main[1]) == "three");
  REQUIRE(eventually([&] { return lines_of(directory / "paniclog").size() == 1; }));
  CHECK(lines_of(directory / "paniclog")[0].find("mainlog could not be written from ") != std::string::npos);
}

TEST_CASE("a missing directory: lines go to stderr, and logging begins by itself when it appears") {
  Directory directory;
  CaughtStderr caught(directory / "stderr");
  LoggerOptions options = in(directory);
  options.directory = directory / "log";
  Logger logger(options);
  logger.notice("one");
  logger.flush();
  CHECK(caught.text().find(" one\n") != std::string::npos);
  fs::create_directory(options.directory);
  REQUIRE(eventually([&] { return lines_of(options.directory + "/paniclog").size() == 1; }));
  CHECK(lines_of(options.directory + "/paniclog")[0].find("No such file or directory; 1 lines went elsewhere") != std::string::npos);
  logger.notice("two");
  logger.flush();
  auto main = lines_of(options.directory + "/mainlog");
  REQUIRE(main.size() == 2);
  CHECK(without_stamp(main[1]) == "two");
}

TEST_CASE("a FIFO without a reader, or with one that doesn't read, blocks nobody") {
  Directory directory;
  CaughtStderr caught(directory / "stderr");
  REQUIRE(::mkfifo((directory / "mainlog").c_str(), 0600) == 0);
  Logger logger(in(directory));
  logger.notice("one");
  logger.flush();
  CHECK(caught.text().find(" one\n") != std::string::npos);
  UniqueFd reader(::open((directory / "mainlog").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  for (int i = 0; i < 3000; ++i) logger.notice(std::string(100, 'x'));   // more than a pipe holds
  logger.flush();
  reader.reset();                                                        // and its reader dies: EPIPE
  logger.notice("last");
  logger.flush();
  CHECK(caught.text().find(" last\n") != std::string::npos);
}

TEST_CASE("past the bound of the queue events are counted and told in the panic log") {
  Directory directory;
  LoggerOptions options = in(directory);
  options.queue_limit = 10;
  Logger logger(options);
  std::uint64_t seen = 0;
  logger.observe([&](const Event& event) { seen += std::get<Notice>(event).text == "x"; });
  for (int i = 0; i < 10000; ++i) logger.notice("x");
  CHECK(seen == 10000);
  logger.flush();
  REQUIRE(eventually([&] { return !lines_of(directory / "paniclog").empty(); }));
  std::uint64_t written = 0, lost = 0;
  logger.flush();
  for (const std::string& line : lines_of(directory / "mainlog")) written += line.ends_with(" x");
  for (const std::string& line : lines_of(directory / "paniclog")) {
    CHECK(line.find("log lines were lost") != std::string::npos);
    lost += *parse_number(split(without_stamp(line), ' ')[0]);
  }
  CHECK(written + lost == 10000);
  CHECK(lost == logger.lost());
}

TEST_CASE("the destructor writes what is queued") {
  Directory directory;
  {
    Logger logger(in(directory));
    for (int i = 0; i < 5000; ++i) logger.notice(fmt::format("line {}", i));
  }
  auto main = lines_of(directory / "mainlog");
  REQUIRE(main.size() == 5000);
  CHECK(without_stamp(main[4999]) == "line 4999");
}

TEST_CASE("several threads write whole lines") {
  Directory directory;
  Logger logger(in(directory));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&logger] {
      for (int i = 0; i < 2000; ++i) logger.notice(std::string(50, 'y'));
    });
  }
  for (std::thread& thread : threads) thread.join();
  logger.flush();
  auto main = lines_of(directory / "mainlog");
  REQUIRE(main.size() == 8000);
  for (const std::string& line : main) REQUIRE(line.size() == 70);
}

TEST_CASE("syslog gets the lines that a file can't take") {
  Directory directory;
  CaughtStderr caught(directory / "stderr");
  LoggerOptions options = in(directory);
  options.directory = directory / "missing";
  options.syslog_socket = directory / "syslog";
  UniqueFd service(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, options.syslog_socket.c_str(), sizeof name.sun_path - 1);
  REQUIRE(::bind(service.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  Logger logger(options);
  for (int i = 0; i < 2000; ++i) logger.notice("one");      // a stuck service holds nobody
  logger.flush();
  char buffer[500];
  ssize_t n = ::recv(service.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  REQUIRE(n > 0);
  std::string datagram(buffer, static_cast<std::size_t>(n));
  CHECK(datagram.starts_with("<22>mansiod["));
  CHECK(datagram.ends_with(" one"));
}

TEST_CASE("a journal entry carries message, priority and queue id") {
  CHECK(journal_entry(Completed{"i1", {}}, "i1 Completed") ==
        "MESSAGE=i1 Completed\nPRIORITY=6\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=mansiod\nMANSIO_ID=i1\n");
  CHECK(journal_entry(Notice{"", "x", true}, "x") ==
        "MESSAGE=x\nPRIORITY=2\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=mansiod\n");
}

}  // namespace
}  // namespace mansio::log
