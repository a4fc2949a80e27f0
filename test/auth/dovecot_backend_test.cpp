#include "auth/dovecot_backend.hpp"

#include <catch2/catch.hpp>

#include "asking.hpp"
#include "fake_dovecot.hpp"

namespace mansio::auth {
namespace {

using Conversation = FakeDovecot::Conversation;
using Kind = sasl::Question::Kind;
using Strings = std::vector<std::string>;

DovecotBackend::Options options_for(const FakeDovecot& server) {
  DovecotBackend::Options options;
  options.path = server.path();
  options.timeout = options.handshake = Duration(20'000);
  options.retry_first = options.retry_on_demand = Duration(5);
  options.retry_most = Duration(20);
  return options;
}

// A back end on a loop of its own, which is ended in order.
struct Running {
  explicit Running(DovecotBackend::Options options)
      : backend(on.loop, scope, std::move(options), [this](const std::string& text) { reports.push_back(text); }) {
    backend.start();
  }
  ~Running() {
    backend.close();
    on.run(scope.join());
  }
  std::string ask(const sasl::Question& question, const Facts& facts = from("192.0.2.9")) {
    return words_of(auth::ask(on, backend, question, facts));
  }
  event::OnLoop on;
  event::Scope scope{[](std::exception_ptr e) { std::rethrow_exception(e); }};
  Strings reports;
  DovecotBackend backend;
};

sasl::Question token(const std::string& user, const std::string& secret) { return sasl::Question(Kind::token, user, crypto::Secret(secret)); }

event::Task<> ask_side_by_side(Running* running, Strings* out) {
  static const sasl::Question bob = password_question("bob", "1"), eve = password_question("eve", "2"), amy = password_question("amy", "3");
  static const Facts facts = from("192.0.2.9");
  std::vector<sasl::Answer> answers(3, sasl::Answer(sasl::Answer::Verdict::unavailable));
  running->on.scope.spawn(put(&running->backend, &bob, &facts, &answers[0]));
  running->on.scope.spawn(put(&running->backend, &eve, &facts, &answers[1]));
  auto last = put(&running->backend, &amy, &facts, &answers[2]);
  co_await last;
  while (running->on.scope.running() > 1) {
    event::Timer timer(running->on.loop);
    co_await timer.sleep(Duration(1));
  }
  for (const auto& answer : answers) out->push_back(words_of(answer));
}

event::Task<> close_soon(Running* running) {
  event::Timer timer(running->on.loop);
  co_await timer.sleep(Duration(50));
  running->backend.close();
}

}  // namespace

TEST_CASE("Dovecot says yes, no, or that it can't say now, and how it names the user") {
  FakeDovecot server;
  server.start([](Conversation& with) {
    with.shake_hands();
    with.say("OK\t" + Conversation::id_of(with.hear()) + "\tuser=bob@example.org\n");
    with.say("OK\t" + Conversation::id_of(with.hear()) + "\n");
    with.say("FAIL\t" + Conversation::id_of(with.hear()) + "\tuser=bob\treason=no\n");
    with.say("FAIL\t" + Conversation::id_of(with.hear()) + "\tuser=bob\ttemp\n");
    with.until_end();
  });
  {
    Running running(options_for(server));
    CHECK(running.ask(password_question("bob", "p\xc3\xa4 ss")) == "accepted bob@example.org");
    CHECK(running.ask(password_question("bob", "x"), Facts()) == "accepted ");
    CHECK(running.ask(password_question("bob", "x")) == "denied");
    CHECK(running.ask(password_question("bob", "x")) == "unavailable");
    CHECK(running.ask(sasl::Question(Kind::keys, "bob")) == "denied");
    CHECK(running.ask(sasl::Question(Kind::certificate, "bob")) == "denied");
    CHECK(running.backend.mechanisms() == std::vector<std::string_view>{"OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"});
    CHECK(running.reports.empty());
  }
  server.stop();
  auto heard = server.heard();
  REQUIRE(heard.size() == 6);
  CHECK(heard[0] == "VERSION\t1\t2");
  CHECK(heard[1] == "CPID\t" + std::to_string(::getpid()));
  CHECK(heard[2] == "AUTH\t1\tPLAIN\tservice=smtp\tsecured\tlip=192.0.2.1\tlport=587\trip=192.0.2.9\trport=4711\tresp=AGJvYgBww6Qgc3M=");
  CHECK(heard[3] == "AUTH\t2\tPLAIN\tservice=smtp\tresp=AGJvYgB4");
  CHECK(server.connections() == 1);
}

TEST_CASE("questions run side by side, and each gets its own answer in whatever order they come") {
  FakeDovecot server;
  server.start([](Conversation& with) {
    with.shake_hands();
    Strings ids;
    for (int i = 0; i < 3; ++i) ids.push_back(Conversation::id_of(with.hear()));
    with.say("OK\t999\tuser=root\nNEWS\t1\nFAIL\t" + ids[2] + "\nOK\t" + ids[1]);   // of nobody; unknown; in pieces
    with.say("\tuser=eve\nFAIL\t" + ids[1] + "\nOK\t" + ids[0] + "\tuser=bob\nOK\t" + ids[2] + "\n");
    with.until_end();
  });
  Running running(options_for(server));
  Strings answers;
  running.on.run(ask_side_by_side(&running, &answers));
  CHECK(answers == Strings{"accepted bob", "accepted eve", "denied"});
}

TEST_CASE("tokens are asked about by the mechanism that Dovecot has, and its report of a refusal is heard to the end") {
  FakeDovecot server;
  server.start([](Conversation& with) {
    with.shake_hands(with.number == 1 ? "MECH\tPLAIN\nMECH\tOAUTHBEARER\nMECH\tXOAUTH2\n" : with.number == 2 ? "MECH\tXOAUTH2\n" : "MECH\tPLAIN\n");
    auto id = Conversation::id_of(with.hear());
    with.say("CONT\t" + id + "\teyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\n");
    with.hear();
    with.say("FAIL\t" + id + "\tuser=bob\n");
    with.until_end();
  });
  for (int i = 0; i < 2; ++i) {
    Running running(options_for(server));
    CHECK(running.ask(token("bob", "t0ken")) == "denied");
  }
  {
    Running running(options_for(server));
    CHECK(running.ask(token("bob", "t0ken")) == "denied");   // it has none of them: not even asked
    CHECK(running.backend.mechanisms() == std::vector<std::string_view>{"PLAIN", "LOGIN"});
  }
  server.stop();
  auto heard = server.heard();
  REQUIRE(heard.size() == 10);
  CHECK(heard[2] == "AUTH\t1\tOAUTHBEARER\tservice=smtp\tsecured\tlip=192.0.2.1\tlport=587\trip=192.0.2.9\trport=4711\tresp=bixhPWJvYiwBYXV0aD1CZWFyZXIgdDBrZW4BAQ==");
  CHECK(heard[3] == "CONT\t1\tAQ==");
  CHECK(heard[6] == "AUTH\t1\tXOAUTH2\tservice=smtp\tsecured\tlip=192.0.2.1\tlport=587\trip=192.0.2.9\trport=4711\tresp=dXNlcj1ib2IBYXV0aD1CZWFyZXIgdDBrZW4BAQ==");
  CHECK(heard[7] == "CONT\t1\t");
}

TEST_CASE("a server that misbehaves is unavailable, never a yes") {
  struct Row { const char* what; FakeDovecot::Script script; Duration patience; };
  auto after = [](const std::string& answer) {
    return [answer](Conversation& with) {
      with.shake_hands();
      with.hear();
      with.say(answer);
      with.until_end();
    };
  };
  constexpr Duration brief{100}, patient{20'000};
  const std::vector<Row> rows{
      {"closes at once", [](Conversation&) {}, patient},
      {"closes within the handshake", [](Conversation& with) { with.say("VERSION\t1\t2\nMECH\tPL"); }, patient},
      {"closes under a request", [](Conversation& with) { with.shake_hands(); with.hear(); }, patient},
      {"says nothing at all", [](Conversation& with) { with.until_end(); }, brief},
      {"never ends its handshake", [](Conversation& with) { with.say("VERSION\t1\t2\nMECH\tPLAIN\n"); with.until_end(); }, brief},
      {"does not answer", after(""), brief},
      {"answers somebody else", after("OK\t77\tuser=bob\nOK\t0\tuser=bob\n"), brief},
      {"answers half a line", after("OK\t1\tuser=bob"), brief},
      {"answers without a number", after("OK\tuser=bob\n"), patient},
      {"answers with a number that is none", after("OK\t1x\tuser=bob\n"), patient},
      {"names a user who can't be", after("OK\t1\tuser=b\x01no\x01tb\n"), patient},
      {"challenges PLAIN", after("CONT\t1\teHg=\n"), patient},
      {"sends a line without end", after(std::string(1 << 20, 'x')), patient},
      {"sends a line that is too long", after("OK\t1\tuser=bob\t" + std::string(20000, 'x') + "\n"), patient},
      {"sends bytes", after(std::string("\0\xff\n\t\t\nOK\n", 9)), patient},
      {"speaks another version", [](Conversation& with) { with.say("VERSION\t2\t0\nMECH\tPLAIN\nDONE\n"); with.until_end(); }, patient},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    FakeDovecot server;
    server.start(row.script);
    auto options = options_for(server);
    options.timeout = options.handshake = row.patience;
    Running running(options);
    CHECK(running.ask(password_question("bob", "x")) == "unavailable");
    CHECK(running.reports.size() <= 1);
    for (const auto& report : running.reports) CHECK(report.starts_with("Dovecot's auth socket " + server.path() + ": "));
  }
}

TEST_CASE("a request that was lost with its connection is asked again on the next") {
  FakeDovecot server;
  server.start([](Conversation& with) {
    with.shake_hands();
    auto line = with.hear();
    if (with.number == 1) return;   // it restarts
    with.say("OK\t" + Conversation::id_of(line) + "\tuser=bob\n");
    with.until_end();
  });
  auto options = options_for(server);
  options.good_life = Duration(0);
  Running running(options);
  CHECK(running.ask(password_question("bob", "x")) == "accepted bob");
  CHECK(server.connections() == 2);
  CHECK(running.reports.empty());
}

TEST_CASE("a server that is away is told once, and found again when it comes") {
  FakeDovecot server;
  Running running(options_for(server));
  CHECK(running.backend.mechanisms() == std::vector<std::string_view>{"PLAIN", "LOGIN"});
  for (int i = 0; i < 3; ++i) CHECK(running.ask(password_question("bob", "x")) == "unavailable");
  REQUIRE(running.reports.size() == 1);
  CHECK(running.reports[0].find("No such file or directory") != std::string::npos);
  server.start([](Conversation& with) {
    with.shake_hands("MECH\tPLAIN\n");
    for (;;) {
      auto line = with.hear();
      if (line.empty()) return;
      with.say("OK\t" + Conversation::id_of(line) + "\tuser=bob\n");
    }
  });
  std::string answer;
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (answer != "accepted bob" && std::chrono::steady_clock::now() < end) answer = running.ask(password_question("bob", "x"));
  CHECK(answer == "accepted bob");
  REQUIRE(running.reports.size() == 2);
  CHECK(running.reports[1].ends_with(": answers again"));
}

TEST_CASE("what is under way at the end is unavailable, and more than may wait is too") {
  FakeDovecot server;
  server.start([](Conversation& with) {
    with.shake_hands();
    with.until_end();
  });
  Running running(options_for(server));
  running.on.scope.spawn(close_soon(&running));
  CHECK(running.ask(password_question("bob", "x")) == "unavailable");
  CHECK(running.ask(password_question("bob", "x")) == "unavailable");
  auto options = options_for(server);
  options.waiting = 0;
  Running full(options);
  CHECK(full.ask(password_question("bob", "x")) == "unavailable");
}

}  // namespace mansio::auth
