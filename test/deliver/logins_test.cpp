// Whose credentials are used where, and where tokens come from.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <sys/wait.h>

#include "deliver/agent.hpp"
#include "deliver/logins.hpp"
#include "deliver/packet_channel.hpp"
#include "event/run_on_loop.hpp"
#include "event/timer.hpp"
#include "known_secrets.hpp"
#include "scratch.hpp"

namespace mansio::deliver {
namespace {

constexpr const char* two_entries = R"(credentials = (
  { host = "smtp.example.com"; sender = "bob@example.org"; user = "bob"; password = "pw-bob"; },
  { host = [ "*.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]" ]; user = "all"; password = "pw-all"; } );)";

config::Transport with_file(const char* path) {
  config::Transport transport;
  transport.credentials = path;
  return transport;
}

event::Task<> nap(event::Loop* loop) {
  event::Timer timer(*loop);
  co_await timer.sleep(Duration(1));
}

struct Desk {
  Desk() : agents(on.loop), reading(on.loop, "test", 1), tokens(reading, Duration(1500)), logins(&secrets, tokens) {
    CommandUser self;
    self.uid = ::getuid();
    self.gid = ::getgid();
    tokens.run_commands_in(agents, self);
  }
  // One agent, as the daemon has it.
  void start_agent() {
    auto pair = make_channel();
    REQUIRE(pair);
    pid = ::fork();
    if (pid == 0) {
      pair->ours.reset();
      AgentOptions options;
      options.may_be_root = true;
      ::_exit(agent_main(pair->theirs.release(), options));
    }
    pair->theirs.reset();
    REQUIRE(agents.add(std::move(pair->ours), AgentKind::deliveries));
  }
  ~Desk() {
    agents.close();
    on.run(nap(&on.loop));       // the loop closes their channels, at which they end
    if (pid > 0) ::waitpid(pid, nullptr, 0);
  }
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;
  event::OnLoop on;
  KnownSecrets secrets;
  AgentPool agents;
  pid_t pid = -1;
  event::Threads reading;
  Tokens tokens;
  Logins logins;
};

event::Task<> keep_token(Tokens* tokens, TokenSource source, Result<crypto::Secret>* out) {
  auto token = co_await tokens->get(std::move(source));
  *out = std::move(token);
}

// "the token", or "- why there is none".
std::string token_from(Desk& desk, const TokenSource& source) {
  Result<crypto::Secret> token = fail(Fault::invalid, "");
  desk.on.run(keep_token(&desk.tokens, source, &token));
  return token ? std::string(token->view()) : "- " + token.error().text();
}

TokenSource command_source(std::vector<std::string> words) {
  TokenSource source;
  source.command = std::move(words);
  return source;
}

void write_file(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  ::chmod(path.c_str(), mode);
}

std::string script(Scratch& scratch, const std::string& body) {
  std::string path = scratch / "program";
  write_file(path, "#!/bin/sh\necho run >> " + scratch / "runs" + "\n" + body + "\n", 0700);
  return path;
}

std::size_t runs_of(Scratch& scratch) {
  std::ifstream file(scratch / "runs");
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
}

}  // namespace

TEST_CASE("the first entry that fits host and sender logs in") {
  Desk desk;
  desk.secrets.files["/c"] = two_entries;
  config::Transport transport = with_file("/c");
  auto user = [&](const SiteHost& host, const char* sender) -> std::string {
    std::optional<mail::Address> address;
    if (sender != nullptr) address = *mail::Address::parse(sender);
    auto login = desk.logins.find(transport, Logins::host_key(host), address);
    return !login ? login.error().text() : *login ? (*login)->user : "";
  };
  SiteHost smart("smtp.example.com", 587, 0, false);
  CHECK(user(smart, "bob@example.org") == "bob");
  CHECK(user(smart, "bob@EXAMPLE.org") == "bob");
  CHECK(user(smart, "alice@example.org") == "all");
  CHECK(user(smart, nullptr) == "all");
  CHECK(user(SiteHost("example.com", 25, 0, false), "bob@example.org") == "");
  CHECK(user(SiteHost("192.0.2.1", 25, 0, true), "bob@example.org") == "all");
  CHECK(user(SiteHost("2001:DB8:0::1", 25, 0, true), "bob@example.org") == "all");
  CHECK(user(SiteHost("192.0.2.2", 25, 0, true), "bob@example.org") == "");
  CHECK(user(SiteHost("/run/lmtp", 0, 0, false), nullptr) == "");
  transport.credentials.clear();
  CHECK(user(smart, "bob@example.org") == "");
}

TEST_CASE("an entry is one login until its file changes, and a bad file is named without what it holds") {
  Desk desk;
  desk.secrets.files["/c"] = R"(user = "me"; password = "hush-hush";)";
  config::Transport transport = with_file("/c");
  auto first = desk.logins.find(transport, "a.test", std::nullopt), second = desk.logins.find(transport, "b.test", std::nullopt);
  REQUIRE(first);
  CHECK(*first == *second);
  CHECK((*first)->password.view() == "hush-hush");
  CHECK(!(*first)->certificate);
  ++desk.secrets.now;
  CHECK(*desk.logins.find(transport, "a.test", std::nullopt) != *first);
  desk.secrets.files["/c"] = R"(user = "me"; pasword = "hush-hush";)";
  ++desk.secrets.now;
  auto broken = desk.logins.find(transport, "a.test", std::nullopt);
  REQUIRE(!broken);
  CHECK(broken.error().text().starts_with("/c:1: "));
  CHECK(broken.error().text().find("hush") == std::string::npos);
  auto missing = desk.logins.find(with_file("/other"), "a.test", std::nullopt);
  REQUIRE(!missing);
  CHECK(missing.error().text() == "/other: No such file");
}

TEST_CASE("EXTERNAL may do when there is a certificate and nothing else, or when it is asked for") {
  Desk desk;
  desk.secrets.files["/empty"] = R"(user = "me"; password = "";)";
  desk.secrets.files["/full"] = R"(user = "me"; password = "x";)";
  auto external = [&](const char* file, const char* certificate, std::vector<std::string> mechanisms) {
    config::Transport transport = with_file(file);
    transport.tls_certificate.certificate = certificate;
    transport.auth_mechanisms = std::move(mechanisms);
    desk.secrets.now++;
    return (*desk.logins.find(transport, "a.test", std::nullopt))->certificate;
  };
  CHECK(external("/empty", "/cert", {}));
  CHECK(!external("/empty", "", {}));
  CHECK(!external("/full", "/cert", {}));
  CHECK(external("/full", "/cert", {"PLAIN", "EXTERNAL"}));
}

TEST_CASE("a token file is held to what secret files are held to") {
  Desk desk;
  Scratch scratch;
  TokenSource source;
  source.file = scratch / "token";
  CHECK(token_from(desk, source).starts_with("- "));
  write_file(source.file, " abc.def \r\n", 0600);
  CHECK(token_from(desk, source) == "abc.def");
  for (mode_t mode : {0644u, 0604u, 0602u, 0601u}) {
    ::chmod(source.file.c_str(), mode);
    CHECK(token_from(desk, source) == "- " + source.file + ": everybody may read or change it: chmod o-rwx");
  }
  for (const char* text : {"", "\n", "two words", "two\nlines"}) {
    write_file(source.file, text, 0600);
    CHECK(token_from(desk, source).starts_with("- " + source.file));
  }
  write_file(source.file, std::string(Tokens::token_limit + 1, 'x'), 0600);
  CHECK(token_from(desk, source).starts_with("- " + source.file));
  source.file = scratch.path();
  CHECK(token_from(desk, source) == "- " + scratch.path() + ": not a file");
}

TEST_CASE("a command runs once for all who wait, without a shell, and its token is kept") {
  Desk desk;
  desk.start_agent();
  Scratch scratch;
  TokenSource source = command_source({script(scratch, "sleep 0.1; echo \"$1\""), "a;b"});
  std::vector<Result<crypto::Secret>> tokens(5, fail(Fault::invalid, ""));
  event::Scope others([](std::exception_ptr e) { std::rethrow_exception(e); });
  for (std::size_t i = 1; i < tokens.size(); ++i) others.spawn(keep_token(&desk.tokens, source, &tokens[i]));
  CHECK(token_from(desk, source) == "a;b");
  desk.on.run(others.join());
  for (std::size_t i = 1; i < tokens.size(); ++i) CHECK(tokens[i]->view() == "a;b");
  CHECK(token_from(desk, source) == "a;b");
  CHECK(runs_of(scratch) == 1);
  // Fresh as it is, a refusal does not make it run again.
  CHECK(!desk.tokens.discard(source, crypto::Secret("a;b")));
  CHECK(desk.tokens.discard(source, crypto::Secret("another")));
  CHECK(token_from(desk, source) == "a;b");
  CHECK(runs_of(scratch) == 1);
}

TEST_CASE("a token is asked for again when its lifetime has passed") {
  Desk desk;
  desk.start_agent();
  Scratch scratch;
  TokenSource source = command_source({script(scratch, "echo abc")});
  source.lifetime = Duration(0);
  CHECK(token_from(desk, source) == "abc");
  CHECK(token_from(desk, source) == "abc");
  CHECK(runs_of(scratch) == 2);
}

TEST_CASE("a command that gives no token is named with the reason, never with what it said, and left alone for a while") {
  struct Row {
    const char* body;
    const char* words;
  };
  for (const Row& row : {Row{"echo secret; exit 7", "exit status 7"}, Row{"echo secret words", "that is no token"}, Row{"exit 0", "no token"},
                         Row{"kill -KILL $$", "ended by signal 9"}, Row{"exec yes secret", "too long"}, Row{"exec sleep 60", "not done after 1 s"},
                         Row{"exec >&-; exec sleep 60", "not done after 1 s"}, Row{"sleep 60", "not done after 1 s"}}) {
    CAPTURE(row.body);
    Desk desk;
    desk.start_agent();
    Scratch scratch;
    TokenSource source = command_source({script(scratch, row.body)});
    std::string said = token_from(desk, source);
    CHECK(said.starts_with("- token_command " + source.command.front() + ": "));
    CHECK(said.find(row.words) != std::string::npos);
    CHECK(said.find("secret") == std::string::npos);
    CHECK(token_from(desk, source) == said);
    CHECK(runs_of(scratch) == 1);
  }
  Desk desk;
  desk.start_agent();
  CHECK(token_from(desk, command_source({"/nowhere/program"})) == "- token_command /nowhere/program: run: No such file or directory");
}

TEST_CASE("stopping waits for no command, and the agent ends the one that runs") {
  Desk desk;
  desk.start_agent();
  Scratch scratch;
  TokenSource source = command_source({script(scratch, "exec sleep 60")});
  Result<crypto::Secret> token = fail(Fault::invalid, "");
  event::Scope others([](std::exception_ptr e) { std::rethrow_exception(e); });
  others.spawn(keep_token(&desk.tokens, source, &token));
  desk.tokens.stop();
  desk.on.run(others.join());
  REQUIRE(!token);
  CHECK(token.error().text() == "token_command " + source.command.front() + ": stopping");
  CHECK(token_from(desk, command_source({"/bin/true"})) == "- stopping");
}

}  // namespace mansio::deliver
