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

bool is_lost(Fault fault) { return fault == Fault::closed || fault == Fault::system; }

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

ClientSession::ClientSession(net::Connection connection, ClientOptions options, Conversation* conversation)
    : channel_(std::move(connection), conversation), options_(std::move(options)) {}

Status ClientSession::broke(const Error& error) {
  channel_.hear(Heard::note, error.text());
  channel_.drop();
  return broken_session(error, stage_);
}

event::Task<Status> ClientSession::start() {
  if (options_.tls == ClientTls::implicit) {     // RFC 8314 §3
    Status secured = co_await handshake();
    if (!secured.ok()) co_return secured;
  }
  stage_ = Stage::greeting;
  Status greeted = co_await greet();
  if (!greeted.ok()) co_return greeted;
  stage_ = Stage::hello;
  Status ready = co_await hello();
  bool wants_tls = options_.tls == ClientTls::offered || options_.tls == ClientTls::required;
  if (ready.ok() && wants_tls) ready = co_await starttls();
  if (ready.ok() && options_.credentials) ready = co_await login();
  co_return ready;
}

// RFC 3207 §4. A server that refuses goes on in clear, and so do we where TLS was only offered; one that breaks off is not
// spoken to any more.
event::Task<Status> ClientSession::starttls() {
  bool required = options_.tls == ClientTls::required;
  if (!capabilities_.starttls && !required) co_return Status();
  if (!capabilities_.starttls) co_return Status(451, 7, 10, "TLS is required, and the host does not offer STARTTLS");
  stage_ = Stage::tls;
  std::string command = "STARTTLS\r\n";         // alone in its group
  auto answer = co_await channel_.ask(std::move(command), options_.timeouts.hello);
  if (answer && answer->refused() && answer->code != 421) {
    if (required) co_return Status(451, 7, 10, "TLS is required, and STARTTLS was refused: " + answer->status().line());
    stage_ = Stage::hello;
    co_return Status();
  }
  tls_failed_ = answer ? answer->code != 220 : answer.error().fault() != Fault::cancelled;
  if (!answer) co_return broke(answer.error());
  if (answer->code == 421) channel_.drop();
  if (answer->code == 421) co_return answer->status();
  Error odd(Fault::invalid, fmt::format("the server said {}", answer->code));
  if (answer->code != 220) co_return broke(odd);
  // What was put in behind the 220 would be taken for an answer inside TLS: an attack (S-047), and no reason to go on without TLS.
  Error injected(Fault::invalid, "the server spoke unasked");
  if (channel_.input_waiting()) co_return broke(injected);
  Status secured = co_await handshake();
  if (!secured.ok()) co_return secured;
  stage_ = Stage::hello;
  Status ready = co_await hello();               // §4.2: what was known is forgotten
  co_return ready;
}

event::Task<Status> ClientSession::handshake() {
  stage_ = Stage::tls;
  net::TlsRequest request = options_.tls_request;
  auto secured = co_await channel_.start_tls(options_.tls_client, std::move(request), options_.timeouts.hello);
  const net::TlsInfo* tls = channel_.tls();
  if (secured && (tls == nullptr || (options_.tls_request.verify && !tls->verified))) {
    secured = fail(Fault::denied, tls != nullptr ? "TLS: certificate: " + tls->problem : "TLS: no session");
  }
  if (secured) co_return Status();
  tls_failed_ = secured.error().fault() != Fault::cancelled;
  Status broken = broke(secured.error());
  if (secured.error().fault() != Fault::denied) co_return broken;
  co_return Status(451, 7, 5, secured.error().text());      // RFC 3463 §3.8: cryptographic failure
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
  bool plain = options_.plain_helo && !options_.lmtp;
  std::string_view verb = options_.lmtp ? "LHLO" : plain ? "HELO" : "EHLO";
  auto answer = co_await say_hello(verb);
  if (!answer && verb == "EHLO") lost_at_ehlo_ = is_lost(answer.error().fault()) && channel_.tls() == nullptr;
  if (answer && answer->ok() && !plain) {
    capabilities_ = parse_capabilities(answer->text);
    co_return answer->status();
  }
  bool without_extensions = answer && verb == "EHLO" && knows_no_ehlo(answer->code);
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
