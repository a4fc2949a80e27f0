// Sessions of clients that log in without sense: lines of AUTH in any order, with octets changed. Whatever they say, each
// line from the server is a reply, nobody gets in without the password, and no password gets into the log.
#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <random>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"
#include "mail_box.hpp"
#include "net/connection.hpp"
#include "smtp/session.hpp"

namespace mansio::smtp {
namespace {

using Random = std::mt19937;
constexpr int noisy_sessions = 300;
constexpr Duration noise_patience(10000);

const std::string right_plain = base64_encode(std::string_view("\0alice\0opensesame", 17));
const std::string right_login = base64_encode("opensesame");

// A line or two to begin from; `right` when they can let somebody in.
std::string noise_line(Random& random, bool& right) {
  const std::string lines[] = {
      "AUTH PLAIN", "AUTH LOGIN", "AUTH SCRAM-SHA-256", "AUTH XOAUTH2", "AUTH",
      "AUTH PLAIN " + base64_encode(std::string_view("\0alice\0wrong", 12)),
      "AUTH LOGIN " + base64_encode("alice"), base64_encode("alice"), base64_encode("wrong"), "*", "=", "",
      "AUTH SCRAM-SHA-256 " + base64_encode("n,,n=alice,r=abcdefgh"), base64_encode("c=biws,r=abcdefgh,p=AAAA"),
      "NOOP", "RSET", "EHLO x.test", "HELO x.test", "MAIL FROM:<a@evil.test>", "RCPT TO:<alice@ex.test>", "STARTTLS",
      "AUTH PLAIN " + right_plain, "AUTH PLAIN\r\n" + right_plain,
      "AUTH LOGIN\r\n" + base64_encode("alice") + "\r\n" + right_login};
  auto at = random() % std::size(lines);
  right |= at + 3 >= std::size(lines);
  return lines[at];
}

// Octets changed, but not in the word AUTH.
void spoil(std::string& line, Random& random) {
  std::size_t least = std::min<std::size_t>(line.size(), 5), at = least + random() % (line.size() - least + 1);
  switch (random() % 5) {
    case 0: line.insert(at, 1, static_cast<char>(random())); break;
    case 1: line.resize(at); break;
    case 2: line.insert(at, " \t=*"); break;
    case 3: line.insert(at, random() % 14000, 'A'); break;
    default: line += "\n"; break;
  }
}

struct Noise {
  std::string said, heard;
  bool right = false;
};

event::Task<> listen(std::optional<net::Connection>* server, MailBox* mail_box, const SessionOptions* options) {
  co_await serve(**server, *mail_box, *options);
  server->reset();
}

event::Task<> make_noise(event::Loop* loop, MailBox* mail_box, Noise* noise) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  std::optional<net::Connection> server(std::in_place, *event::Stream::adopt(*loop, UniqueFd(ends[0]), true));
  auto client = *event::Stream::adopt(*loop, UniqueFd(ends[1]), true);
  SessionOptions options;
  options.mechanisms = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "XOAUTH2"};
  options.auth_in_clear = true;
  options.decoy = &mail_box_decoy();
  options.local = true;
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  scope.spawn(listen(&server, mail_box, &options));
  co_await client.write(noise->said, event::Deadline::in(noise_patience));
  client.shutdown();
  for (;;) {
    auto more = co_await client.read_some(event::Deadline::in(noise_patience));
    if (!more) break;
    noise->heard += *more;
  }
  co_await scope.join();
}

using Boxes = std::vector<std::unique_ptr<MailBox>>;

event::Task<> make_all_noise(event::Loop* loop, Boxes* boxes, std::vector<Noise>* noises) {
  for (std::size_t i = 0; i < noises->size(); ++i) co_await make_noise(loop, (*boxes)[i].get(), &(*noises)[i]);
  loop->stop();
}

bool is_reply_line(std::string_view line) {
  return line.size() >= 4 && std::ranges::all_of(line.substr(0, 3), is_digit) && (line[3] == ' ' || line[3] == '-') &&
         is_ascii(line) && !has_control(line);
}

}  // namespace

TEST_CASE("logins without sense are answered line by line, let nobody in and leave no secret in the log") {
  std::signal(SIGPIPE, SIG_IGN);
  Random random(4954);
  event::Loop loop;
  std::vector<Noise> noises(noisy_sessions);
  Boxes boxes;
  for (Noise& noise : noises) {
    boxes.push_back(std::make_unique<MailBox>(loop, Status(220, "ready")));
    noise.said = "EHLO x.test\r\n";
    for (auto lines = 1 + random() % 12; lines > 0; --lines) {
      std::string line = noise_line(random, noise.right);
      if (random() % 3 == 0 && line.starts_with("AUTH")) spoil(line, random);
      noise.said += line + "\r\n";
    }
  }
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  scope.spawn(make_all_noise(&loop, &boxes, &noises));
  loop.run();
  std::size_t let_in = 0;
  for (std::size_t i = 0; i < noises.size(); ++i) {
    INFO(escape(noises[i].said));
    REQUIRE(noises[i].heard.ends_with("\r\n"));
    for (auto line : split(std::string_view(noises[i].heard).substr(0, noises[i].heard.size() - 2), '\n')) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (!is_reply_line(line)) FAIL_CHECK(escape(line));
    }
    for (const auto& event : boxes[i]->events) {
      bool in = event.starts_with("authenticated");
      let_in += in;
      if (in && !noises[i].right) FAIL_CHECK(event);
      for (const auto& secret : {right_plain.substr(8, 8), right_login}) {
        if (event.find(secret) != std::string::npos) FAIL_CHECK(event);
      }
    }
  }
  CHECK(let_in > 5);
}

}  // namespace mansio::smtp
