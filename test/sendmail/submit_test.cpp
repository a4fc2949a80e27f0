#include "sendmail_submit.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "mail/pickup.hpp"
#include "sendmail_control.hpp"
#include "sendmail_pickup.hpp"
#include "sendmail_socket.hpp"

namespace mansio::sendmail {
namespace {

namespace fs = std::filesystem;

// A daemon that follows a script: recipients that begin with "bad" are refused, with "later" deferred; more than
// `limit` a transaction get 452 4.5.3. It remembers commands and content.
class FakeDaemon {
 public:
  explicit FakeDaemon(std::size_t limit = 1000, std::string data_reply = "250 2.0.0 queued as ID") : limit_(limit), data_reply_(std::move(data_reply)) {
    ::signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/mansio-submit-XXXXXX";
    directory = ::mkdtemp(name);
    path = directory + "/submit.sock";
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_.get(), 4) == 0);
    thread_ = std::thread(&FakeDaemon::serve, this);
  }
  ~FakeDaemon() {
    stop();
    fs::remove_all(directory);
  }
  void stop() {
    if (thread_.joinable()) thread_.join();
  }

  std::string directory, path;
  std::vector<std::string> commands;
  std::string content;

 private:
  void serve() {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    int raw = fd.get();
    (void)write_all(raw, "220 hello\r\n");
    std::string in;
    char buffer[65536];
    for (;;) {
      auto end = in.find("\r\n");
      if (end == std::string::npos) {
        ssize_t n = ::read(raw, buffer, sizeof buffer);
        if (n <= 0) return;
        in.append(buffer, static_cast<std::size_t>(n));
        continue;
      }
      std::string command = in.substr(0, end);
      in.erase(0, end + 2);
      commands.push_back(command);
      if (command.starts_with("BDAT ")) {
        auto size = static_cast<std::size_t>(*parse_number(split(command, ' ')[1]));
        while (in.size() < size) {
          ssize_t n = ::read(raw, buffer, sizeof buffer);
          if (n <= 0) return;
          in.append(buffer, static_cast<std::size_t>(n));
        }
        content += in.substr(0, size);
        in.erase(0, size);
        if (data_reply_.empty() && command.ends_with("LAST")) return;
      }
      (void)write_all(raw, answer(command) + "\r\n");
      if (command == "QUIT") return;
    }
  }

  std::string answer(const std::string& command) {
    if (command.starts_with("EHLO")) return "250-me\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250 CHUNKING";
    if (command.starts_with("MAIL")) accepted_ = 0;
    if (command.ends_with("LAST")) return data_reply_;
    if (command.find(":<bad") != std::string::npos) return "550-5.1.1 no such\r\n550 5.1.1 user";
    if (command.find(":<later") != std::string::npos) return "451 4.3.0 not now";
    if (command.starts_with("RCPT") && ++accepted_ > limit_) return "452 4.5.3 too many";
    return "250 2.0.0 OK";
  }

  std::size_t limit_, accepted_ = 0;
  std::string data_reply_;
  UniqueFd listener_;
  std::thread thread_;
};

mail::Envelope envelope_to(std::vector<std::string> recipients) {
  mail::Envelope envelope;
  envelope.sender = *mail::Address::parse("ann@example.org");
  for (const std::string& text : recipients) envelope.recipients.emplace_back(*mail::Address::parse(text));
  return envelope;
}

Content content_of(std::string_view text) {
  Content content;
  REQUIRE(content.append(text));
  return content;
}

TEST_CASE("a message is handed over with all its parameters") {
  FakeDaemon daemon;
  mail::Envelope envelope = envelope_to({"bob@example.org"});
  envelope.body = mail::Body::eight_bit;
  envelope.ret = mail::Return::headers;
  envelope.envid = "id1";
  envelope.recipients[0].notify = mail::Notify::success | mail::Notify::delay;
  Outcome outcome = submit(daemon.path, envelope, content_of("Subject: x\r\n\r\n.\r\nhi\r\n"));
  daemon.stop();
  CHECK(daemon.commands == std::vector<std::string>{"EHLO localhost", "MAIL FROM:<ann@example.org> SIZE=21 BODY=8BITMIME RET=HDRS ENVID=id1",
                                                    "RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY", "BDAT 21 LAST", "QUIT"});
  CHECK(daemon.content == "Subject: x\r\n\r\n.\r\nhi\r\n");
  CHECK(outcome.queued == 1);
  CHECK(outcome.reached);
  CHECK(outcome.replies == std::vector<std::string>{"250 2.0.0 queued as ID"});
}

TEST_CASE("refused, deferred and taken recipients are told apart") {
  FakeDaemon daemon;
  Outcome outcome = submit(daemon.path, envelope_to({"bad@x", "a@x", "later@x", "b@x"}), content_of("x\r\n"));
  daemon.stop();
  CHECK(outcome.queued == 2);
  REQUIRE(outcome.refused.size() == 1);
  CHECK(outcome.refused[0].recipient.address.text() == "bad@x");
  CHECK(outcome.refused[0].status.enhanced_text() == "5.1.1");
  REQUIRE(outcome.left.size() == 1);
  CHECK(outcome.left[0].recipient.address.text() == "later@x");
  CHECK(outcome.reached);
}

TEST_CASE("recipients over the daemon's limit go in further transactions") {
  FakeDaemon daemon(1000);
  std::vector<std::string> recipients;
  for (int i = 0; i < 2500; ++i) recipients.push_back(fmt::format("u{}@x", i));
  Outcome outcome = submit(daemon.path, envelope_to(recipients), content_of("x\r\n"));
  daemon.stop();
  CHECK(outcome.queued == 2500);
  CHECK(outcome.replies.size() == 3);
  CHECK(daemon.content == "x\r\nx\r\nx\r\n");
}

TEST_CASE("large content goes in chunks from a file, byte for byte") {
  FakeDaemon daemon;
  std::string text;
  for (int i = 0; text.size() < (9u << 20); ++i) text += fmt::format("line {}\r\n", i);
  Content content;
  for (std::size_t at = 0; at < text.size(); at += 100'000) REQUIRE(content.append(std::string_view(text).substr(at, 100'000)));
  Outcome outcome = submit(daemon.path, envelope_to({"a@x"}), content);
  daemon.stop();
  CHECK(outcome.queued == 1);
  CHECK((daemon.content == text));
}

TEST_CASE("nobody listens: all is left, and known not to be queued") {
  Outcome outcome = submit("/nonexistent/submit.sock", envelope_to({"a@x", "b@x"}), content_of("x\r\n"));
  CHECK_FALSE(outcome.reached);
  CHECK_FALSE(outcome.uncertain);
  CHECK(outcome.left.size() == 2);
  CHECK(outcome.queued == 0);
}

TEST_CASE("a daemon that dies before its last answer leaves it uncertain") {
  FakeDaemon daemon(1000, "");
  Outcome outcome = submit(daemon.path, envelope_to({"a@x"}), content_of("x\r\n"));
  CHECK(outcome.uncertain);
  CHECK(outcome.left.size() == 1);
}

TEST_CASE("a message refused as a whole") {
  FakeDaemon daemon(1000, "552 5.3.4 too big");
  Outcome outcome = submit(daemon.path, envelope_to({"a@x"}), content_of("x\r\n"));
  CHECK(outcome.queued == 0);
  REQUIRE(outcome.refused.size() == 1);
  CHECK(outcome.refused[0].status.code() == 552);
}

TEST_CASE("a message left for pickup is whole, readable for the daemon, and has no temporary beside it") {
  char name[] = "/tmp/mansio-pickup-XXXXXX";
  std::string directory = ::mkdtemp(name);
  auto file = leave_for_pickup(directory, envelope_to({"a@x"}), content_of("Subject: x\r\n\r\n"));
  REQUIRE(file);
  CHECK(file->size() == 32);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  CHECK(names == std::vector<std::string>{*file});
  struct stat st {};
  REQUIRE(::stat((directory + "/" + *file).c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0644);
  std::string text = *read_file(directory + "/" + *file, 1 << 20);
  auto pickup = mail::parse_pickup(text);
  REQUIRE(pickup);
  CHECK(pickup->content == "Subject: x\r\n\r\n");
  fs::remove_all(directory);
  CHECK_FALSE(leave_for_pickup(directory, envelope_to({"a@x"}), content_of("x\r\n")));
}

TEST_CASE("the queue is listed as Exim lists it") {
  std::string line = R"({"id":"1tBx6K-000001-AA","sender":"ann@x.example","age_seconds":1500,"size":2900,"frozen":true,)"
                     R"("recipients":[{"address":"bob@y.example","done":false},{"address":"c d@z.example","done":true}],"reason":"no route"})";
  CHECK(format_listing(line, false, false) ==
        "25m  2.8K 1tBx6K-000001-AA <ann@x.example> *** frozen ***\n"
        "          bob@y.example\n"
        "        D c\\x20d@z.example\n\n");
  CHECK(format_listing(line, true, true) ==
        "25m  2.8K 1tBx6K-000001-AA <ann@x.example> *** frozen ***\n"
        "          (no route)\n"
        "          bob@y.example\n\n");
  CHECK(format_listing("{}", false, false).empty());
  CHECK(format_listing("junk", false, false).empty());
  CHECK(format_listing(R"({"id":"i","recipients":[1,{"address":5}],"size":-1})", false, false) == " 0m     0 i <>\n          \n\n");
}

TEST_CASE("a socket in a very deep directory is reached") {
  FakeDaemon daemon;
  std::string deep = daemon.directory + "/" + std::string(120, 'd');
  fs::create_directory(deep);
  fs::rename(daemon.path, deep + "/submit.sock");
  Outcome outcome = submit(deep + "/submit.sock", envelope_to({"a@x"}), content_of("x\r\n"));
  CHECK(outcome.queued == 1);
}

}  // namespace
}  // namespace mansio::sendmail
