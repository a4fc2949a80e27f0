// Runs every script of test/smtp/client_dialogue, the server's words whole and cut into octets, all at once on one loop.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/text.hpp"
#include "client_certificate.hpp"
#include "client_script.hpp"
#include "event/scope.hpp"
#include "event/timer.hpp"
#include "smtp/dialogues.hpp"

namespace mansio::smtp {
namespace {

constexpr Duration server_patience(10000);

class Pieces final : public ContentSource {
 public:
  Pieces(const std::vector<std::string>& pieces, bool fails) : pieces_(pieces), fails_(fails) {}
  event::Task<Result<std::string_view>> next() override {
    current_.reset();
    if (at_ == pieces_.size()) {
      if (fails_) co_return fail(Fault::system, "read: Input/output error", EIO);
      co_return std::string_view();
    }
    current_ = std::make_unique<std::string>(pieces_[at_++]);    // an old piece that is used again is found by ASan
    co_return std::string_view(*current_);
  }

 private:
  const std::vector<std::string>& pieces_;
  bool fails_;
  std::size_t at_ = 0;
  std::unique_ptr<std::string> current_;
};

class ClientPlay {
 public:
  ClientPlay(event::Loop& loop, const ClientScript& script, bool cut) : script_(script), cut_(cut), timer_(loop) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    server_.emplace(*event::Stream::adopt(loop, UniqueFd(ends[0]), true));
    net::Connection connection(*event::Stream::adopt(loop, UniqueFd(ends[1]), true));
    ClientOptions options = script.options;
    if (script.wants_tls) options.tls_client = test_tls_client();
    if (!script.credentials.user.empty()) options.credentials = std::make_shared<const sasl::Credentials>(script.credentials);
    session_.emplace(std::move(connection), std::move(options));
  }

  event::Task<> run() {
    scope_.spawn(client());
    for (const ClientStep& step : script_.steps) {
      co_await perform(step);
      if (!failure.empty()) {
        failure = fmt::format("{}{}, line {}: {}", script_.name, cut_ ? " (cut)" : "", step.line, failure);
        break;
      }
    }
    if (failure.empty() && server_) co_await expect_end();
    server_.reset();
    co_await scope_.join();
    if (failure.empty() && !wrong_.empty()) failure = fmt::format("{}{}: {}", script_.name, cut_ ? " (cut)" : "", wrong_);
  }

  std::string failure;

 private:
  // ---- the client

  event::Task<> client() {
    Status started = co_await session_->start();
    compare("start", script_.start, started, session_->stage());
    compare_session();
    for (const ScriptedTransaction& scripted : script_.transactions) {
      if (!started.ok()) break;
      Pieces pieces(scripted.pieces, scripted.fails);
      Transaction transaction = scripted.transaction;
      transaction.content = &pieces;
      auto result = co_await session_->send(&transaction);
      compare(scripted, result);
    }
    if (script_.quits) co_await session_->quit();
    session_.reset();
  }

  void compare(std::string_view what, std::string_view expected, const Status& status, Stage stage) {
    auto at = expected.rfind('@');
    std::string_view words = trim(expected.substr(0, at));
    if (status.line().starts_with(words) && stage_name(stage) == expected.substr(at + 1)) return;
    wrong_ += fmt::format("{} was \"{}\" @{}, not \"{}\"; ", what, escape(status.line()), stage_name(stage), expected);
  }

  void compare_session() {
    std::string after;
    if (!session_->auth().empty()) after += " auth=" + session_->auth();
    if (session_->tls() != nullptr) after += " tls=" + session_->tls()->version;
    if (session_->tls_failed()) after += " tls_failed";
    if (session_->login_refused()) after += " login_refused";
    if (session_->lost_at_ehlo()) after += " lost_at_ehlo";
    if (trim(after) != script_.after) wrong_ += fmt::format("after the start:{}, not {}; ", after, script_.after);
  }

  void compare(const ScriptedTransaction& scripted, const TransactionResult& result) {
    for (std::size_t i = 0; i < scripted.expected.size(); ++i) {
      compare(fmt::format("recipient {}", i + 1), scripted.expected[i], result.recipients.at(i), result.stages.at(i));
    }
    if (scripted.expected.size() != result.recipients.size()) wrong_ += fmt::format("{} recipients; ", result.recipients.size());
    std::string flags;
    if (result.reusable) flags += " reusable";
    if (result.unknown) flags += " unknown";
    if (result.host_trouble) flags += " host_trouble";
    if (trim(flags) != scripted.flags) wrong_ += fmt::format("flags were{}, not {}; ", flags, scripted.flags);
  }

  // ---- the server

  event::Task<> perform(const ClientStep& step) {
    using Kind = ClientStep::Kind;
    switch (step.kind) {
      case Kind::say: co_await say(step.text); break;
      case Kind::hear: co_await hear(step.text); break;
      case Kind::close: server_.reset(); break;
      case Kind::wait: co_await timer_.sleep(Duration(std::stol(step.text))); break;
      case Kind::interrupt: session_->interrupt(); break;
      case Kind::ignore: co_await ignore(); break;
      case Kind::tls: co_await secure(step.text == "fails"); break;
    }
  }

  event::Task<> secure(bool fails) {
    auto done = co_await server_->start_tls(test_tls_server(), event::Deadline::in(server_patience));
    if (done.has_value() == fails) failure = fails ? "the handshake succeeds" : "the handshake: " + done.error().text();
    if (fails) server_.reset();
  }

  event::Task<> say(std::string_view text) {
    std::size_t piece = cut_ ? 1 : text.size();
    for (std::size_t i = 0; i < text.size(); i += piece) {
      auto sent = co_await server_->write(text.substr(i, piece), event::Deadline::in(server_patience));
      if (!sent) co_return;       // the client hung up: what follows tells whether it should have
      if (cut_ && text.size() < 2000) co_await timer_.sleep(Duration(1));
    }
  }

  event::Task<> hear(std::string_view text) {
    auto deadline = event::Deadline::in(server_patience);
    while (heard_.size() < text.size() && text.starts_with(heard_)) {
      auto more = co_await server_->read_chunk(deadline);
      if (!more) {
        failure = fmt::format("expected \"{}\", heard \"{}\": {}", escape(text, 300), escape(heard_, 300), more.error().text());
        co_return;
      }
      heard_ += *more;
    }
    if (heard_ != text) failure = fmt::format("expected \"{}\", heard \"{}\"", escape(text, 300), escape(heard_, 300));
    heard_.clear();
  }

  event::Task<> ignore() {
    auto more = co_await server_->read_chunk(event::Deadline::in(server_patience));
    if (!more) failure = more.error().text();
  }

  event::Task<> expect_end() {
    auto more = co_await server_->read_chunk(event::Deadline::in(server_patience));
    std::string rest = more ? std::string(*more) : std::string();
    if (more) failure = fmt::format("{}{}: the client said more: \"{}\"", script_.name, cut_ ? " (cut)" : "", escape(rest));
    else if (more.error().fault() != Fault::closed) failure = script_.name + ": the client does not end";
  }

  const ClientScript& script_;
  bool cut_;
  event::Timer timer_;
  event::Scope scope_{[](std::exception_ptr e) { std::rethrow_exception(e); }};
  std::optional<net::Connection> server_;
  std::optional<ClientSession> session_;
  std::string heard_, wrong_;
};

event::Task<> run_all_clients(std::vector<std::unique_ptr<ClientPlay>>* plays, event::Loop* loop) {
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  for (auto& play : *plays) scope.spawn(play->run());
  co_await scope.join();
  loop->stop();
}

}  // namespace

TEST_CASE("every client dialogue goes as its script says, replies whole and one octet a write") {
  std::vector<ClientScript> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(client_dialogues)) {
    if (entry.path().extension() == ".txt") scripts.push_back(read_client_script(entry.path().string()));
  }
  REQUIRE(scripts.size() > 0);
  std::signal(SIGPIPE, SIG_IGN);
  event::Loop loop;
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  std::vector<std::unique_ptr<ClientPlay>> plays;
  for (const ClientScript& script : scripts) {
    plays.push_back(std::make_unique<ClientPlay>(loop, script, false));
    if (!script.only_whole) plays.push_back(std::make_unique<ClientPlay>(loop, script, true));
  }
  scope.spawn(run_all_clients(&plays, &loop));
  loop.run();
  for (const auto& play : plays) {
    if (!play->failure.empty()) FAIL_CHECK(play->failure);
    else CHECK(play->failure.empty());
  }
}

}  // namespace mansio::smtp
