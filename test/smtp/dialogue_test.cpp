// Runs every script of test/smtp/dialogue, whole and cut into octets, all at once on one loop: so they also share its
// read buffer, as real sessions do.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <regex>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "event/scope.hpp"
#include "event/stream.hpp"
#include "sasl/client.hpp"
#include "smtp/dialogues.hpp"
#include "client_certificate.hpp"
#include "mail_box.hpp"
#include "script.hpp"

namespace mansio::smtp {
namespace {

constexpr Duration patience(10000);

class Play {
 public:
  Play(event::Loop& loop, const Script& script, bool cut)
      : loop_(loop), script_(script), cut_(cut), timer_(loop), mail_box_(loop, script.greeting) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    server_.emplace(*event::Stream::adopt(loop, UniqueFd(ends[0]), true));
    client_.emplace(*event::Stream::adopt(loop, UniqueFd(ends[1]), true));
  }

  event::Task<> run() {
    for (const Step& step : script_.steps) {
      if (step.kind == Step::Kind::before) unsent_ += step.text;
    }
    co_await send_all();
    scope_.spawn(host());
    for (const Step& step : script_.steps) {
      co_await perform(step);
      if (!failure.empty()) {
        failure = fmt::format("{}{}, line {}: {}", script_.name, cut_ ? " (cut)" : "", step.line, failure);
        break;
      }
    }
    secure_client_.reset();
    client_.reset();
    co_await scope_.join();
    look_for_secrets();
    if (failure.empty() && mail_box_.open != 0) failure = script_.name + ": content was neither taken nor given up";
  }

  std::string failure;

 private:
  event::Task<> host() {
    SessionOptions options = script_.options;
    options.decoy = &mail_box_decoy();
    if (options.tls != TlsUse::none && script_.certificate) options.tls_server = tls_server();
    co_await serve(*server_, mail_box_, std::move(options));
    server_.reset();
  }

  event::Task<> send_all() {
    std::string bytes = std::exchange(unsent_, std::string());
    std::size_t piece = cut_ ? 1 : bytes.size();
    for (std::size_t i = 0; i < bytes.size(); i += piece) {
      std::string_view part = std::string_view(bytes).substr(i, piece);
      Result<> sent;
      if (secure_client_) sent = co_await secure_client_->write(part, event::Deadline::in(patience));
      else sent = co_await client_->write(part, event::Deadline::in(patience));
      if (!sent) co_return;       // the server hung up: what it said tells why
      if (cut_) co_await timer_.sleep(Duration(1));
    }
  }

  event::Task<std::optional<std::string>> hear(Duration limit) {
    auto deadline = event::Deadline::in(limit);
    for (;;) {
      auto end = heard_.find("\r\n");
      if (end != std::string::npos) {
        std::string line = heard_.substr(0, end);
        heard_.erase(0, end + 2);
        co_return line;
      }
      Result<std::string_view> more;
      if (secure_client_) more = co_await secure_client_->read_chunk(deadline);
      else more = co_await client_->read_some(deadline);
      if (!more) {
        why_ = more.error().text();
        closed_ = more.error().fault() == Fault::closed;
        co_return std::nullopt;
      }
      heard_ += *more;
    }
  }

  event::Task<> perform(const Step& step) {
    using Kind = Step::Kind;
    if (step.kind == Kind::before) co_return;
    if (step.kind == Kind::say) {
      for (std::size_t i = 0; i < step.times; ++i) unsent_ += step.text;
      co_return;
    }
    co_await send_all();
    switch (step.kind) {
      case Kind::turn: co_await timer_.sleep(Duration(3)); break;
      case Kind::wait: co_await timer_.sleep(Duration(std::stol(step.text))); break;
      case Kind::line: case Kind::matches: co_await expect_line(step); break;
      case Kind::reply: co_await expect_reply(step); break;
      case Kind::silence: co_await expect_nothing(Duration(30), "silence"); break;
      case Kind::end: co_await expect_nothing(patience, "the end"); break;
      case Kind::close: hang_up(); break;
      case Kind::tls: co_await begin_tls(); break;
      case Kind::login: co_await log_in(step); break;
      case Kind::gone: co_await expect_end_without_words(); break;
      case Kind::finish: if (server_) server_->finish(); break;
      case Kind::interrupt: if (server_) server_->interrupt(); break;
      default: check(step);
    }
  }

  event::Task<> expect_line(const Step& step) {
    for (std::size_t i = 0; i < step.times; ++i) {
      auto line = co_await hear(patience);
      if (!line) {
        failure = fmt::format("expected \"{}\" ({} of {}): {}", escape(step.text), i + 1, step.times, why_);
        co_return;
      }
      bool right = step.kind == Step::Kind::matches ? std::regex_match(*line, std::regex(step.text)) : line->starts_with(step.text);
      if (line->size() + 2 > 512) right = false;       // RFC 5321 §4.5.3.1.5
      if (!right) failure = fmt::format("expected \"{}\", heard \"{}\"", escape(step.text), escape(*line));
      if (!right) co_return;
    }
  }

  event::Task<> expect_reply(const Step& step) {
    for (;;) {
      auto line = co_await hear(patience);
      if (!line) failure = fmt::format("expected a reply {}: {}", step.text, why_);
      else if (!line->starts_with(step.text)) failure = fmt::format("expected a reply {}, heard \"{}\"", step.text, escape(*line));
      if (!failure.empty() || line->at(3) != '-') co_return;
    }
  }

  event::Task<> expect_nothing(Duration limit, std::string_view what) {
    auto line = co_await hear(limit);
    if (line) failure = fmt::format("expected {}, heard \"{}\"", what, escape(*line));
    else if (!heard_.empty()) failure = fmt::format("half a line: \"{}\"", escape(heard_));
    else if (what != "silence" && !closed_) failure = "the server does not close: " + why_;
    else if (what == "silence" && closed_) failure = "the server closed";
  }

  // Also a TLS alert (RFC 8446 §6) may come when the handshake fails.
  event::Task<> expect_end_without_words() {
    auto line = co_await hear(patience);
    bool alert = heard_.empty() || heard_[0] == '\x15' || heard_[0] == '\x16';
    if (line) failure = fmt::format("expected no word, heard \"{}\"", escape(*line));
    else if (!alert) failure = fmt::format("expected no word, heard \"{}\"", escape(heard_));
    else if (!closed_) failure = "the server does not close: " + why_;
  }

  void hang_up() {
    secure_client_.reset();
    if (client_) client_->shutdown();
  }

  event::Task<> begin_tls() {
    secure_client_.emplace(std::move(*client_));
    client_.reset();
    net::TlsRequest request;
    request.server_name = "server.test";
    request.verify = true;
    auto deadline = event::Deadline::in(patience);
    auto begun = co_await secure_client_->start_tls(tls_client(script_.client_certificate), std::move(request), deadline);
    if (!begun) failure = "TLS: " + begun.error().text();
  }

  // "login MECHANISM USER PASSWORD": whatever the mechanism has to say.
  event::Task<> log_in(const Step& step) {
    auto words = split(step.text, ' ');
    sasl::Credentials credentials;
    credentials.user = words.at(1);
    credentials.password = credentials.token = crypto::Secret(words.at(2));
    credentials.certificate = true;
    sasl::ClientContext context;
    context.offered.emplace_back(words[0]);
    context.clear_allowed = true;
    if (secure_client_) context.bindings.exporter = secure_client_->tls_exporter();
    auto client = sasl::make_client(words[0], context, credentials);
    auto begun = client->begin();
    unsent_ = fmt::format("AUTH {}", words[0]);
    if (*begun) unsent_ += (*begun)->empty() ? " =" : " " + base64_encode((*begun)->view());
    unsent_ += "\r\n";
    for (;;) {
      co_await send_all();
      auto line = co_await hear(patience);
      if (!line) failure = "AUTH: " + why_;
      if (!line) co_return;
      if (!line->starts_with("334 ")) {
        heard_ = *line + "\r\n" + heard_;       // the next step hears it
        co_return;
      }
      auto challenge = base64_decode(std::string_view(*line).substr(4));
      if (!challenge) failure = "no base64: " + *line;
      if (!challenge) co_return;
      auto response = client->respond(*challenge);
      unsent_ = response ? base64_encode(response->view()) + "\r\n" : "*\r\n";
    }
  }

  static net::TlsIdentity identity() {
    net::TlsIdentity one;
    one.file = "server.test";
    one.chain = test_certificate;
    one.key = test_key;
    return one;
  }
  static const std::shared_ptr<const net::TlsServer>& tls_server() {
    static const auto one = [] {
      net::TlsServerOptions options;
      options.identities.push_back(identity());
      options.ask_certificate = true;
      options.authorities = test_certificate;
      return net::TlsServer::make(options).value();
    }();
    return one;
  }
  static std::shared_ptr<const net::TlsClient> make_client(bool certificate) {
    net::TlsClientOptions options;
    options.authorities = test_certificate;
    if (certificate) options.identity = identity();
    return net::TlsClient::make(options).value();
  }
  static const std::shared_ptr<const net::TlsClient>& tls_client(bool certificate) {
    static const auto without = make_client(false), with = make_client(true);
    return certificate ? with : without;
  }

  // Nothing that the handler heard for its log may have the password in it, plain or in base64 at whatever offset.
  void look_for_secrets() {
    constexpr std::string_view secret = "opensesame";
    std::vector<std::string> forms{std::string(secret)};
    for (std::size_t offset = 0; offset < 3; ++offset) {
      std::string shifted = base64_encode(std::string(offset, 'x') + std::string(secret));
      forms.push_back(shifted.substr(offset > 0 ? 4 : 0, 8));       // without the ends, which depend on what is beside it
    }
    for (const auto& each : mail_box_.events) {
      auto in_it = [&](const std::string& form) { return each.find(form) != std::string::npos; };
      bool shown = std::ranges::any_of(forms, in_it);
      if (shown && failure.empty()) failure = script_.name + ": a secret was told: " + each;
    }
  }

  void check_event(const Step& step) {
    std::regex sought(step.text);
    auto is_it = [&](const std::string& each) { return std::regex_search(each, sought); };
    bool heard_of = std::ranges::any_of(mail_box_.events, is_it);
    if (heard_of == (step.kind == Step::Kind::event)) return;
    failure = fmt::format("\"{}\" {} told; there was:", step.text, heard_of ? "was" : "was not");
    for (const auto& each : mail_box_.events) failure += " [" + escape(each) + "]";
  }

  void check(const Step& step) {
    using Kind = Step::Kind;
    if (step.kind == Kind::event || step.kind == Kind::no_event) return check_event(step);
    const auto& messages = mail_box_.messages;
    if (step.kind == Kind::count) {
      if (messages.size() != std::stoul(step.text)) failure = fmt::format("{} messages were taken", messages.size());
      return;
    }
    bool heard_of = std::ranges::any_of(mail_box_.troubles, [&](Trouble each) { return trouble_name(each) == step.text; });
    if (step.kind == Kind::trouble && !heard_of) failure = "no such trouble was told";
    if (step.kind == Kind::no_trouble && !mail_box_.troubles.empty()) {
      failure = fmt::format("there was trouble: {}", trouble_name(mail_box_.troubles.front()));
    }
    if (step.kind != Kind::envelope && step.kind != Kind::content) return;
    if (messages.empty()) failure = "no message was taken";
    else if (step.kind == Kind::content && messages.back().content != step.text) {
      failure = fmt::format("content is \"{}\"", escape(messages.back().content));
    } else if (step.kind == Kind::envelope && !std::regex_search(messages.back().envelope, std::regex(step.text))) {
      failure = "envelope is " + escape(messages.back().envelope);
    }
  }

  event::Loop& loop_;
  const Script& script_;
  bool cut_;
  event::Timer timer_;
  MailBox mail_box_;
  event::Scope scope_{[](std::exception_ptr e) { std::rethrow_exception(e); }};
  std::optional<net::Connection> server_;
  std::optional<event::Stream> client_;
  std::optional<net::Connection> secure_client_;      // instead of client_
  std::string unsent_, heard_, why_;
  bool closed_ = false;
};

event::Task<> run_all(std::vector<std::unique_ptr<Play>>* plays, event::Loop* loop) {
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  for (auto& play : *plays) scope.spawn(play->run());
  co_await scope.join();
  loop->stop();
}

}  // namespace

TEST_CASE("every dialogue goes as its script says, in whole writes and one octet a write") {
  std::vector<Script> scripts;
  for (const auto& entry : std::filesystem::directory_iterator(dialogues)) {
    INFO(entry.path().string());
    if (entry.path().extension() == ".txt") scripts.push_back(read_script(entry.path().string()));
  }
  REQUIRE(scripts.size() > 0);
  std::signal(SIGPIPE, SIG_IGN);
  event::Loop loop;
  event::Scope scope([](std::exception_ptr e) { std::rethrow_exception(e); });
  std::vector<std::unique_ptr<Play>> plays;
  for (const Script& script : scripts) {
    plays.push_back(std::make_unique<Play>(loop, script, false));
    if (!script.only_whole) plays.push_back(std::make_unique<Play>(loop, script, true));
  }
  scope.spawn(run_all(&plays, &loop));
  loop.run();
  for (const auto& play : plays) {
    if (!play->failure.empty()) FAIL_CHECK(play->failure);
    else CHECK(play->failure.empty());
  }
}

}  // namespace mansio::smtp
