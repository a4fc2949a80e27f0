// The server side of each SASL mechanism. A line of the input is a message of the client; the back end knows "user" and
// "pencil", the SCRAM server's nonce is "S".
#include "sasl/decoy.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "sasl/bearer_server.hpp"
#include "sasl/external_server.hpp"
#include "sasl/gssapi_server.hpp"
#include "sasl/plain_server.hpp"
#include "sasl/scram_server.hpp"

namespace mansio::sasl {
namespace {

// A security context that takes two tokens, each of which begins with "T"; "!" gives it up. "W" and a text is that text, signed.
class Pretended final : public SecurityContext {
 public:
  bool complete() const override { return tokens_ >= 2; }
  Result<std::string> wrap(std::string_view text) override { return "W" + std::string(text); }
  Result<std::string> unwrap(std::string_view token) override {
    if (!token.starts_with('W')) return fail(Fault::invalid, "not signed");
    return std::string(token.substr(1));
  }
  void take() { ++tokens_; }

 private:
  int tokens_ = 0;
};

Answer ticket(const Question& question) {
  std::string_view token = question.secret.view();
  fuzz::require(!token.empty() && token.size() <= response_max, "a token is bounded");
  if (!token.starts_with('T')) return Answer(token.starts_with('!') ? Answer::Verdict::unavailable : Answer::Verdict::denied);
  auto context = std::dynamic_pointer_cast<Pretended>(question.context);
  fuzz::require((context == nullptr) == (question.context == nullptr) && !(context && context->complete()), "the context is ours, and isn't whole yet");
  if (!context) context = std::make_shared<Pretended>();
  context->take();
  Answer answer(Answer::Verdict::accepted, context->complete() ? "user" : "");
  answer.context = context;
  answer.principal = context->complete() ? "user@EX.TEST" : "";
  answer.token = token.ends_with('.') ? "" : "reply";
  return answer;
}

Answer back_end(const Question& question) {
  using Verdict = Answer::Verdict;
  fuzz::require(question.user.size() <= user_max && !has_control(question.user) && is_utf8(question.user),
                "a user's name is bounded, printable UTF-8");
  std::string_view secret = question.secret.view();
  fuzz::require(question.kind == Question::Kind::ticket || !has_control(secret), "a secret has no control bytes");
  switch (question.kind) {
    case Question::Kind::password:
      fuzz::require(!secret.empty() && secret.size() <= 1024, "a password is bounded");
      return Answer(question.user == "user" && secret == "pencil" ? Verdict::accepted : Verdict::denied);
    case Question::Kind::token:
      fuzz::require(is_ascii(secret) && !secret.empty(), "a token is ASCII");
      return Answer(question.user == "user" && secret == "pencil" ? Verdict::accepted : Verdict::denied);
    case Question::Kind::certificate: return Answer(question.user == "user" ? Verdict::accepted : Verdict::denied);
    case Question::Kind::ticket: return ticket(question);
    case Question::Kind::keys: break;
  }
  static const crypto::ScramKeys keys = crypto::derive_scram_keys(crypto::Hash::sha256, "pencil", "salt", 4096);
  return question.user == "user" ? Answer(keys) : Answer(Verdict::denied);
}

void converse(Server& server, std::string_view input) {
  auto lines = split(input, '\n');
  Step step = lines[0] == "-" ? server.begin(std::nullopt) : server.begin(lines[0]);
  int steps = 0;
  for (std::size_t next = 1;; ++steps) {
    fuzz::require(steps < 8, "a try ends");
    if (auto* question = std::get_if<Question>(&step)) {
      Answer answer = back_end(*question);
      step = server.answer(answer);
    } else if (auto* challenge = std::get_if<Challenge>(&step)) {
      fuzz::require(challenge->data.size() <= 1024 && is_ascii(challenge->data), "a challenge is short ASCII");
      if (next == lines.size()) return;
      step = server.respond(lines[next++]);
    } else {
      break;
    }
  }
  if (auto* done = std::get_if<Done>(&step)) fuzz::require(done->user == "user", "only the user gets in");
  fuzz::require(std::holds_alternative<Failed>(server.respond("")), "what is over is over");
}

const Decoy& decoy() {
  static const Decoy one("0123456789abcdef0123456789abcdef");
  return one;
}

void converse_scram(std::string_view input, bool bound) {
  ScramServer::Setup setup;
  setup.bound = setup.bound_offered = bound;
  if (bound) setup.bindings.exporter = "exporter";
  setup.decoy = &decoy();
  setup.nonce = "S";
  ScramServer server(std::move(setup));
  converse(server, input);
}

}  // namespace
}  // namespace mansio::sasl

void fuzz::sasl_plain(std::string_view input) {
  mansio::sasl::PlainServer server;
  mansio::sasl::converse(server, input);
}

void fuzz::sasl_login(std::string_view input) {
  mansio::sasl::LoginServer server;
  mansio::sasl::converse(server, input);
}

void fuzz::sasl_scram(std::string_view input) { mansio::sasl::converse_scram(input, false); }
void fuzz::sasl_scram_plus(std::string_view input) { mansio::sasl::converse_scram(input, true); }

void fuzz::sasl_oauthbearer(std::string_view input) {
  mansio::sasl::BearerServer server(mansio::sasl::BearerServer::Form::oauthbearer);
  mansio::sasl::converse(server, input);
}

void fuzz::sasl_xoauth2(std::string_view input) {
  mansio::sasl::BearerServer server(mansio::sasl::BearerServer::Form::xoauth2);
  mansio::sasl::converse(server, input);
}

void fuzz::sasl_external(std::string_view input) {
  mansio::sasl::ExternalServer server;
  mansio::sasl::converse(server, input);
}

// RFC 4752: tokens, the offer of layers, the choice of none.
void fuzz::sasl_gssapi(std::string_view input) {
  mansio::sasl::GssapiServer server;
  mansio::sasl::converse(server, input);
}
