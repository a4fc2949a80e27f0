// Client sessions against servers that scripts can't play: our own, one with small windows, one that never reads, and one that
// says anything.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

#include <csignal>
#include <optional>
#include <random>

#include "base/text.hpp"
#include "event/run_on_loop.hpp"
#include "event/timer.hpp"
#include "mail_box.hpp"
#include "smtp/client.hpp"
#include "smtp/session.hpp"

namespace mansio::smtp {
namespace {

using event::Deadline;

constexpr Duration long_time(20000);

// Two ends of a socket; `octets` is how much the kernel keeps of what one end wrote.
struct Wire {
  explicit Wire(int octets = 0) {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    for (int end : ends) {
      if (octets > 0) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
    }
    client.emplace(*event::Stream::adopt(on.loop, UniqueFd(ends[0]), true));
    server.emplace(*event::Stream::adopt(on.loop, UniqueFd(ends[1]), true));
  }
  ClientSession session(ClientOptions options) {
    net::Connection connection(std::move(*client));
    return ClientSession(std::move(connection), std::move(options));
  }
  event::OnLoop on;
  std::optional<event::Stream> client, server;
};

// Until both have ended.
event::Task<> both(event::Task<> server, event::Task<> client) {
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  scope.spawn(std::move(server));
  co_await client;
  co_await scope.join();
}

ClientOptions quick_options() {
  ClientOptions options;
  options.helo_name = "client.test";
  ClientTimeouts& t = options.timeouts;
  for (Duration* each : {&t.greeting, &t.hello, &t.mail, &t.rcpt, &t.data_init, &t.data_block, &t.data_end}) *each = long_time;
  t.quit = Duration(200);
  return options;
}

// Content cut into pieces of a given size.
class CutContent final : public ContentSource {
 public:
  CutContent(std::string content, std::size_t piece) : content_(std::move(content)), piece_(piece) {}
  event::Task<Result<std::string_view>> next() override {
    current_ = content_.substr(at_, piece_);
    at_ += current_.size();
    co_return std::string_view(current_);
  }

 private:
  std::string content_, current_;
  std::size_t piece_, at_ = 0;
};

Transaction transaction_to(std::size_t recipients, std::uint64_t size, ContentSource* content) {
  Transaction transaction;
  transaction.sender = "from@client.test";
  for (std::size_t i = 0; i < recipients; ++i) transaction.recipients.emplace_back(fmt::format("user{}@ex.test", i), "", std::uint8_t{0});
  transaction.size = size;
  transaction.content = content;
  return transaction;
}

// ---- our own server

event::Task<> host_session(net::Connection* connection, MailBox* box, const SessionOptions* options) {
  co_await serve(*connection, *box, *options);
}

event::Task<> send_many(ClientSession* session, std::vector<std::string> contents, std::vector<TransactionResult>* results) {
  Status started = co_await session->start();
  CHECK(started.ok());
  std::mt19937 random(3);
  for (std::string& content : contents) {
    std::size_t size = content.size(), piece = 1 + random() % 70000;
    CutContent source(std::move(content), piece);
    Transaction transaction = transaction_to(1 + random() % 3, size, &source);
    auto result = co_await session->send(&transaction);
    results->push_back(std::move(result));
  }
  co_await session->quit();
}

void send_to_ourselves(bool lmtp) {
  Wire wire;
  net::Connection connection(std::move(*wire.server));
  MailBox box(wire.on.loop, Status(220, "ready"));
  SessionOptions server_options;
  server_options.protocol = lmtp ? Protocol::lmtp : Protocol::smtp;
  ClientOptions options = quick_options();
  options.lmtp = lmtp;
  ClientSession session = wire.session(std::move(options));
  std::vector<std::string> contents;
  for (std::size_t lines : {0, 1, 2, 10, 100, 3000, 3640, 3641, 3642, 50000}) {
    std::string content;
    for (std::size_t i = 0; i < lines; ++i) content += i % 7 == 3 ? ".a line with a dot\r\n" : "a line of text\r\n";
    contents.push_back(std::move(content));
  }
  std::vector<TransactionResult> results;
  wire.on.run(both(host_session(&connection, &box, &server_options), send_many(&session, contents, &results)));
  REQUIRE(results.size() == contents.size());
  REQUIRE(box.messages.size() == contents.size());
  CHECK(session.messages() == contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    INFO(i);
    CHECK((box.messages[i].content == contents[i]));
    for (const Status& status : results[i].recipients) CHECK(status.ok());
    CHECK(results[i].reusable);
  }
}

// ---- small windows

struct SlowServer {
  SlowServer() = default;
  std::size_t recipients = 0, most_unanswered = 0;
  bool done = false;
};

// Reads little at a time, and answers each command with a long reply before it reads on.
event::Task<> serve_slowly(event::Stream* stream, SlowServer* seen, std::string keywords) {
  std::string in, filler(300, 'x');
  auto greeted = co_await stream->write("220 ready\r\n", Deadline::in(long_time));
  CHECK(greeted.has_value());
  while (!seen->done) {
    auto more = co_await stream->read_some(Deadline::in(long_time));
    if (!more) co_return;
    in += *more;
    seen->most_unanswered = std::max(seen->most_unanswered, in.size());
    for (auto end = in.find("\r\n"); end != std::string::npos; end = in.find("\r\n")) {
      std::string line = in.substr(0, end), reply = fmt::format("250-{0}\r\n250 {0}\r\n", filler);
      in.erase(0, end + 2);
      if (line.starts_with("EHLO")) reply = "250-x\r\n" + keywords + "250 HELP\r\n";
      if (line.starts_with("RCPT")) ++seen->recipients;
      if (line == "DATA") reply = "354 go\r\n";
      bool silent = line == "x";
      if (line == "QUIT") seen->done = true;
      if (silent) continue;
      auto sent = co_await stream->write(reply, Deadline::in(long_time));
      if (!sent) co_return;
    }
  }
}

event::Task<> send_one(ClientSession* session, Transaction* transaction, TransactionResult* out) {
  Status started = co_await session->start();
  CHECK(started.ok());
  auto result = co_await session->send(transaction);
  *out = std::move(result);
  co_await session->quit();
}

// ---- a server that stops reading

event::Task<> serve_and_stop_reading(event::Stream* stream, event::Timer* timer, Duration pause, std::size_t* body) {
  for (std::string_view reply : {"220 x\r\n", "250-x\r\n250 PIPELINING\r\n", "250 a\r\n250 b\r\n354 c\r\n"}) {
    auto sent = co_await stream->write(reply, Deadline::in(long_time));
    CHECK(sent.has_value());
    bool last = reply.starts_with("250 a");
    if (last) break;
    auto heard = co_await stream->read_some(Deadline::in(long_time));
    CHECK(heard.has_value());
  }
  while (pause > Duration(0)) {
    co_await timer->sleep(pause);
    auto more = co_await stream->read_some(Deadline::in(long_time));
    if (!more) co_return;
    *body += more->size();
    bool ended = more->ends_with("\r\n.\r\n");
    if (!ended) continue;
    auto sent = co_await stream->write("250 done\r\n", Deadline::in(long_time));
    CHECK(sent.has_value());
    co_return;
  }
}

event::Task<> interrupt_after(ClientSession* session, event::Timer* timer, Duration pause) {
  co_await timer->sleep(pause);
  session->interrupt();
}

// ---- a server that is done with us

event::Task<> greet_client(event::Stream* stream) {
  auto sent = co_await stream->write("220 x\r\n", Deadline::in(long_time));
  auto heard = co_await stream->read_some(Deadline::in(long_time));
  CHECK((sent && heard));
  sent = co_await stream->write("250 x\r\n", Deadline::in(long_time));
  CHECK(sent.has_value());
}

event::Task<> greet_and_leave(ClientSession* session, Wire* wire, bool speaks) {
  wire->on.scope.spawn(greet_client(&*wire->server));
  Status started = co_await session->start();
  CHECK(started.ok());
  event::Timer timer(wire->on.loop);
  co_await timer.sleep(Duration(5));
  CHECK_FALSE(session->stale());
  if (speaks) {
    auto sent = co_await wire->server->write("421 bye\r\n", Deadline::in(long_time));
    CHECK(sent.has_value());
  } else {
    wire->server.reset();
  }
  co_await timer.sleep(Duration(5));
  CHECK(session->stale());
}

// ---- a server that says anything

event::Task<> say_anything(event::Stream* stream, std::string words) {
  auto sent = co_await stream->write(words, Deadline::in(long_time));
  if (sent) stream->shutdown();
  for (;;) {
    auto heard = co_await stream->read_some(Deadline::in(long_time));
    if (!heard) co_return;
  }
}

event::Task<> hear_anything(ClientSession* session, std::vector<TransactionResult>* results) {
  Status started = co_await session->start();
  if (started.ok()) {
    for (int i = 0; i < 2; ++i) {
      std::string text = "a\r\n.b\r\n";
      CutContent source(std::move(text), 3);
      Transaction transaction = transaction_to(3, 7, &source);
      auto result = co_await session->send(&transaction);
      results->push_back(std::move(result));
      if (!results->back().reusable) break;
    }
  }
  co_await session->quit();
}

}  // namespace

TEST_CASE("what our client sends our server takes, by BDAT and by LMTP") {
  send_to_ourselves(false);
  send_to_ourselves(true);
}

TEST_CASE("ten thousand recipients go through small windows without a deadlock (R-113)") {
  for (std::string keywords : {"250-PIPELINING\r\n", "250-PIPELINING\r\n250-CHUNKING\r\n"}) {
    Wire wire(4096);
    SlowServer seen;
    ClientSession session = wire.session(quick_options());
    CutContent source("x\r\n", 10);
    Transaction transaction = transaction_to(10000, 3, &source);
    TransactionResult result;
    wire.on.run(both(serve_slowly(&*wire.server, &seen, keywords), send_one(&session, &transaction, &result)));
    CHECK(seen.recipients == 10000);
    CHECK(seen.most_unanswered < 8192 + 600);
    CHECK(result.recipients.back().ok());
    bool all = std::ranges::all_of(result.recipients, [](const Status& status) { return status.ok(); });
    CHECK(all);
    CHECK(result.reusable);
  }
}

TEST_CASE("a server that reads nothing of the message is given up after the time for a block (R-049)") {
  Wire wire;
  event::Timer timer(wire.on.loop);
  ClientOptions options = quick_options();
  options.timeouts.data_block = Duration(60);
  ClientSession session = wire.session(std::move(options));
  CutContent source(std::string(2 << 20, 'x'), 100000);
  Transaction transaction = transaction_to(1, 2 << 20, &source);
  TransactionResult result;
  std::size_t body = 0;
  wire.on.run(both(serve_and_stop_reading(&*wire.server, &timer, Duration(0), &body), send_one(&session, &transaction, &result)));
  CHECK(result.recipients[0].line() == "451 4.4.2 timed out while sending the message");
  CHECK(result.stages[0] == Stage::data);
  CHECK((result.host_trouble && !result.unknown && !result.reusable));
}

TEST_CASE("a transfer that is slow but moves is not ended (R-052)") {
  Wire wire;
  event::Timer timer(wire.on.loop);
  ClientOptions options = quick_options();
  options.timeouts.data_block = Duration(500);
  ClientSession session = wire.session(std::move(options));
  CutContent source(std::string(4 << 20, 'x') + "\r\n", 1 << 20);
  Transaction transaction = transaction_to(1, (4 << 20) + 2, &source);
  TransactionResult result;
  std::size_t body = 0;
  auto began = std::chrono::steady_clock::now();
  wire.on.run(both(serve_and_stop_reading(&*wire.server, &timer, Duration(20), &body), send_one(&session, &transaction, &result)));
  CHECK(std::chrono::steady_clock::now() - began > std::chrono::milliseconds(800));
  CHECK(result.recipients[0].line() == "250 2.0.0 done");
  CHECK(body > (4 << 20));
}

TEST_CASE("stopping ends a write that waits, before the end of data") {
  Wire wire;
  event::Timer timer(wire.on.loop), other(wire.on.loop);
  ClientSession session = wire.session(quick_options());
  CutContent source(std::string(2 << 20, 'x'), 100000);
  Transaction transaction = transaction_to(1, 2 << 20, &source);
  TransactionResult result;
  std::size_t body = 0;
  auto began = std::chrono::steady_clock::now();
  wire.on.scope.spawn(interrupt_after(&session, &other, Duration(50)));
  wire.on.run(both(serve_and_stop_reading(&*wire.server, &timer, Duration(0), &body), send_one(&session, &transaction, &result)));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
  CHECK(result.recipients[0].line() == "451 4.3.2 stopped while sending the message");
  CHECK((!result.host_trouble && !result.unknown && !result.reusable));
}

TEST_CASE("an idle session whose server has spoken or gone is stale") {
  for (bool speaks : {true, false}) {
    Wire each;
    ClientSession session = each.session(quick_options());
    each.on.run(greet_and_leave(&session, &each, speaks));
  }
}

TEST_CASE("whatever a server says, a session ends and every recipient has an outcome") {
  const std::vector<std::string> samples{
      "220 x\r\n250-x\r\n250-PIPELINING\r\n250 SIZE 9\r\n250 a\r\n250 b\r\n550 5.1.1 c\r\n250 d\r\n354 e\r\n250 2.0.0 f\r\n",
      "220 x\r\n250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n250 a\r\n250 b\r\n452 c\r\n250 d\r\n250 f\r\n",
      "220 x\r\n502 x\r\n250 x\r\n250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n",
  };
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string words = samples[random() % samples.size()];
    for (std::size_t n = random() % 6; n > 0; --n) {
      std::size_t at = random() % words.size();
      switch (random() % 5) {
        case 0: words[at] = static_cast<char>('0' + random() % 10); break;
        case 1: words[at] = static_cast<char>(random()); break;
        case 2: words.erase(at, 1 + random() % 5); break;
        case 3: words.insert(at, words.substr(random() % words.size(), random() % 20)); break;
        default: words.insert(at, "\r\n"); break;
      }
      if (words.empty()) words = "\r\n";
    }
    Wire wire;
    ClientOptions options = quick_options();
    options.lmtp = random() % 3 == 0;
    std::vector<TransactionResult> results;
    ClientSession session = wire.session(std::move(options));
    wire.on.run(both(say_anything(&*wire.server, words), hear_anything(&session, &results)));
    INFO(escape(words));
    for (const TransactionResult& result : results) {
      CHECK(result.recipients.size() == 3);
      CHECK_FALSE((result.unknown && result.host_trouble));
      CHECK_FALSE((result.reusable && (result.unknown || result.host_trouble)));
      for (const Status& status : result.recipients) CHECK((status.ok() || status.temporary() || status.permanent()));
    }
  }
}

}  // namespace mansio::smtp
