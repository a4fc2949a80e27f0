#include "smtp/client.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "smtp/client_transaction.hpp"

namespace mansio::smtp {
namespace {

std::string_view stage_words(Stage stage) {
  switch (stage) {
    case Stage::connect: return "connecting";
    case Stage::greeting: return "waiting for the greeting";
    case Stage::hello: return "saying hello";
    case Stage::tls: return "beginning TLS";
    case Stage::auth: return "logging in";
    case Stage::mail: return "sending MAIL";
    case Stage::rcpt: return "sending RCPT";
    case Stage::data: return "sending the message";
    case Stage::end_of_data: return "waiting for the answer to the end of the message";
  }
  return "speaking";
}

// RFC 5321 §3.2, §4.1.1.1: a server that knows no EHLO.
bool knows_no_ehlo(int code) { return code == 500 || code == 501 || code == 502 || code == 504; }

}  // namespace

// RFC 5321 §3.8: a connection that is lost is as good as a 451.
Status broken_session(const Error& error, Stage stage) {
  std::string_view when = stage_words(stage);
  switch (error.fault()) {
    case Fault::timed_out: return Status(451, 4, 2, fmt::format("timed out while {}", when));
    case Fault::cancelled: return Status(451, 3, 2, fmt::format("stopped while {}", when));
    case Fault::invalid: return Status(451, 5, 0, fmt::format("{} while {}", error.text(), when));
    default: return Status(451, 4, 2, fmt::format("lost the connection while {}: {}", when, error.text()));
  }
}

ClientSession::ClientSession(net::Connection connection, ClientOptions options)
    : channel_(std::move(connection)), options_(std::move(options)) {}

Status ClientSession::broke(const Error& error) {
  channel_.drop();
  return broken_session(error, stage_);
}

event::Task<Status> ClientSession::start() {
  stage_ = Stage::greeting;
  Status greeted = co_await greet();
  if (!greeted.ok()) co_return greeted;
  stage_ = Stage::hello;
  Status ready = co_await hello();
  co_return ready;
}

// RFC 5321 §3.1, §4.3.1: nothing is said before the greeting came.
event::Task<Status> ClientSession::greet() {
  auto greeting = co_await channel_.reply(options_.timeouts.greeting);
  if (!greeting) co_return broke(greeting.error());
  if (greeting->code == 421) channel_.drop();
  if (greeting->ok() || greeting->refused()) co_return greeting->status();
  Error odd(Fault::invalid, fmt::format("the server said {}", greeting->code));
  co_return broke(odd);
}

event::Task<Status> ClientSession::hello() {
  capabilities_ = Capabilities();        // what an earlier EHLO offered is forgotten (RFC 3207 §4.2)
  if (options_.helo_name.empty() || !is_ascii(options_.helo_name) || has_control(options_.helo_name)) {
    co_return Status(451, 3, 5, "the name to say hello with is no ASCII domain or literal");    // RFC 5321 §4.1.4, RFC 6531 §3.7.1
  }
  std::string_view verb = options_.lmtp ? "LHLO" : "EHLO";
  auto answer = co_await say_hello(verb);
  if (answer && answer->ok()) {
    capabilities_ = parse_capabilities(answer->text);
    co_return answer->status();
  }
  bool without_extensions = answer && !options_.lmtp && knows_no_ehlo(answer->code);
  if (without_extensions) answer = co_await say_hello("HELO");
  if (!answer) co_return broke(answer.error());
  if (answer->code == 421) channel_.drop();
  if (answer->ok() || answer->refused()) co_return answer->status();
  Error odd(Fault::invalid, fmt::format("the server said {}", answer->code));
  co_return broke(odd);
}

event::Task<Result<ServerReply>> ClientSession::say_hello(std::string_view verb) {
  std::string command = fmt::format("{} {}\r\n", verb, options_.helo_name);
  auto answer = co_await channel_.ask(std::move(command), options_.timeouts.hello, ReplyParser::ehlo_text_limit);
  co_return answer;
}

event::Task<TransactionResult> ClientSession::send(Transaction* transaction) {
  ClientTransaction course(channel_, capabilities_, options_, *transaction);
  auto result = co_await course.run();
  if (course.began()) {
    ++messages_;
    stage_ = course.stage();
  }
  co_return result;
}

event::Task<> ClientSession::quit() {
  if (!channel_.open()) co_return;
  std::string command = "QUIT\r\n";
  auto answer = co_await channel_.ask(std::move(command), options_.timeouts.quit);
  channel_.drop();       // whatever it answered (RFC 5321 §4.1.1.10)
}

}  // namespace mansio::smtp
