// AUTH in a session (RFC 4954). The mechanisms are lib/sasl's, who the users are is the handler's: here are the lines,
// their base64, and the count of failures. All of it lives in the frame of one AUTH command.
#include <utility>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "crypto/secret.hpp"
#include "smtp/server.hpp"

namespace mansio::smtp {
namespace {

constexpr int login_steps_limit = 32;

Status login_reply(sasl::Failed::Reason reason) {
  switch (reason) {
    case sasl::Failed::Reason::malformed: return Status(501, 5, 2, "that is not what the mechanism asks for");
    case sasl::Failed::Reason::unavailable: return Status(454, 7, 0, "temporary authentication failure");
    case sasl::Failed::Reason::denied: break;
  }
  return Status(535, 7, 8, "authentication credentials invalid");    // S-087: for whatever is wrong with them
}

}  // namespace

// One AUTH command.
struct Session::Login {
  std::string mechanism;
  std::unique_ptr<sasl::Server> server;
  sasl::Step step;
  std::optional<Status> reply;      // of the session's own, instead of the one that the failure's reason gives

  // A mechanism that has told of its refusal (RFC 7628 §3.2.3) says so again, whatever it hears: that was a guess.
  void fail(Status status) {
    sasl::Step last = server->respond("");
    auto* failed = std::get_if<sasl::Failed>(&last);
    bool guess = failed != nullptr && failed->reason == sasl::Failed::Reason::denied;
    step = guess ? std::move(*failed) : sasl::Failed(sasl::Failed::Reason::malformed, status.text());
    reply = std::move(status);
  }
};

sasl::ServerContext Session::login_context() const {
  sasl::ServerContext context;
  context.mechanisms = options_.mechanisms;
  context.encrypted = options_.auth_in_clear || connection_.tls();
  if (connection_.tls()) {
    // Whose it is the back end knows by its fingerprint: no authority is needed for that.
    context.certificate = connection_.tls()->peer_certificate;
    context.bindings.exporter = connection_.tls_exporter();
    context.bindings.server_end_point = connection_.tls_server_end_point();
  }
  context.decoy = options_.decoy;
  return context;
}

// The parameter of the keyword AUTH; "": it isn't listed.
std::string Session::listed_mechanisms() const {
  std::string out;
  if (options_.mechanisms.empty() || tls_missing()) return out;
  for (std::string_view name : sasl::offered(login_context())) out.append(out.empty() ? "" : " ").append(name);
  return out;
}

event::Task<Session::Reply> Session::auth(Command command) {
  AuthArguments arguments = std::move(std::get<AuthArguments>(command.arguments));
  connection_.wipe_lines();
  // RFC 4954 §4.
  if (authenticated_) {
    co_return mistake(Trouble::protocol_error, "AUTH", Status(503, 5, 1, "you are authenticated already"));
  }
  sasl::ServerContext context = login_context();
  Login login;
  login.mechanism = std::move(arguments.mechanism);
  login.server = sasl::make_server(login.mechanism, context);
  if (!login.server) {
    context.encrypted = true;
    bool encrypt = sasl::make_server(login.mechanism, context) != nullptr;
    Status refused(504, 5, 4, "that mechanism is not offered");
    if (encrypt) refused = Status(538, 7, 11, "Encryption required for requested authentication mechanism");
    co_return mistake(Trouble::protocol_error, "AUTH " + login.mechanism, std::move(refused));
  }
  if (!arguments.initial) login.step = login.server->begin(std::nullopt);
  else if (arguments.initial->view() == "=") login.step = login.server->begin("");     // RFC 4954 §4: empty
  else hear(login, arguments.initial->view(), true);
  auto talked = co_await converse(login);
  if (!talked) co_return std::unexpected(talked.error());
  auto reply = co_await conclude(login);
  co_return reply;
}

// Until the mechanism has come to an end.
event::Task<Result<>> Session::converse(Login& login) {
  for (int steps = 0; steps < login_steps_limit; ++steps) {
    if (std::holds_alternative<sasl::Challenge>(login.step)) {
      auto heard = co_await challenge(login);
      if (!heard) co_return heard;
    } else if (auto* question = std::get_if<sasl::Question>(&login.step)) {
      sasl::Question asked = std::move(*question);
      auto answer = co_await handler_.ask(std::move(asked));
      login.step = login.server->answer(answer);
    } else {
      co_return Result<>();
    }
  }
  login.fail(Status(501, 5, 2, "the mechanism comes to no end"));
  co_return Result<>();
}

// One challenge and the client's answer to it.
event::Task<Result<>> Session::challenge(Login& login) {
  // RFC 4954 §4: 334 is one line, however long, and has its blank also when there is nothing to say.
  out_.append("334 ").append(base64_encode(std::get<sasl::Challenge>(login.step).data)).append("\r\n");
  conversation_.hear(Heard::server, "334 ***");
  auto line = co_await next_line(auth_line);
  if (line) {
    std::string_view text = trim(*line);
    conversation_.stir();
    if (text == "*") conversation_.hear(Heard::client, text);
    else conversation_.hear_secret(Heard::client);
    if (text == "*") login.fail(Status(501, 7, 0, "authentication cancelled"));
    else hear(login, text, false);
    connection_.wipe_lines();
    co_return Result<>();
  }
  Fault fault = line.error().fault();
  if (fault == Fault::too_long) login.fail(Status(500, 5, 6, "line too long"));
  else if (fault == Fault::invalid) login.fail(Status(501, 5, 2, line.error().text()));
  else co_return std::unexpected(line.error());
  co_return Result<>();
}

// A response of the client, in base64.
void Session::hear(Login& login, std::string_view text, bool first) {
  auto response = base64_decode(text);
  if (!response) return login.fail(Status(501, 5, 2, "that is not base64"));
  if (response->size() > sasl::response_max) login.fail(Status(500, 5, 6, "the response is too long"));
  else if (first) login.step = login.server->begin(*response);
  else login.step = login.server->respond(*response);
  crypto::wipe(*response);
}

// The reply to AUTH.
event::Task<Status> Session::conclude(Login& login) {
  if (auto* done = std::get_if<sasl::Done>(&login.step)) {
    std::string user = std::move(done->user);
    std::string words = "logged in with " + login.mechanism + " as " + user;
    auto judged = co_await handler_.authenticated(login.mechanism, std::move(user));
    authenticated_ = judged.ok();
    if (authenticated_) conversation_.hear(Heard::note, words);
    if (!authenticated_) co_return failed_login(std::move(judged));
    co_return judged;
  }
  sasl::Failed failed = std::move(std::get<sasl::Failed>(login.step));
  auto reason = failed.reason;
  co_await handler_.auth_failed(login.mechanism, std::move(failed));
  Status status = login.reply ? std::move(*login.reply) : login_reply(reason);
  // What is no credentials was no guess: an error like others.
  bool guess = reason != sasl::Failed::Reason::malformed;
  if (guess) co_return failed_login(std::move(status));
  if (++errors_ <= options_.errors) co_return status;
  tell(Trouble::too_many_errors, "AUTH", status.text());
  co_return closing(7, 0, "too many errors");
}

// Counts it. The last one is answered as the others are, so that the client learns that its password is wrong, and then
// the session ends.
Status Session::failed_login(Status status) {
  if (++failed_logins_ < options_.auth_tries || status.code() == 421) return status;
  say(status);
  tell(Trouble::too_many_errors, "AUTH", "too many failed logins");
  return closing(7, 0, "too many failed logins");
}

}  // namespace mansio::smtp
