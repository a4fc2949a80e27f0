// The client side of SASL: a line of the input is a challenge of a server that is not trusted. The messages of SCRAM alone, too.
#include "sasl/client.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "sasl/scram_client.hpp"

namespace fuzz {
namespace {

using namespace mansio;

sasl::Credentials login_of(std::string_view password) {
  sasl::Credentials out;
  out.user = "user";
  out.password = crypto::Secret(password);
  return out;
}

// It may quote what the server said: `input`.
void check_text(const Error& error, std::string_view input) {
  bool told = error.text().find("pencil") != std::string::npos && input.find("pencil") == std::string_view::npos;
  require(!told && !has_control(error.text()), "an error holds no secret");
}

// True: it said that the server is the one we know.
bool finish(sasl::Client& client, std::string_view input) {
  auto first = client.begin();
  if (!first) return check_text(first.error(), input), false;
  for (auto challenge : split(input, '\n')) {
    auto answer = client.respond(challenge);
    if (!answer) {
      check_text(answer.error(), input);
      return false;
    }
    require(answer->view().size() <= 8192, "an answer is bounded");
  }
  auto done = client.finish();
  if (!done) check_text(done.error(), input);
  return done.has_value();
}

// Keys from a million rounds take a third of a second, by intent.
bool is_slow(std::string_view input) {
  auto parsed = sasl::parse_server_first(input.substr(0, input.find('\n')));
  return parsed && parsed->iterations > 8192;
}

bool finish_scram(std::string_view input, std::string_view password, bool bound) {
  sasl::ScramClient::Setup setup;
  setup.credentials = login_of(password);
  setup.nonce = "C";
  setup.bound = bound;
  if (bound) setup.bindings.exporter = "exporter";
  sasl::ScramClient client(std::move(setup));
  return finish(client, input);
}

}  // namespace

void scram_client(std::string_view input) {
  if (is_slow(input)) return;
  bool bound = input.ends_with('+');
  if (!finish_scram(input, "pencil", bound)) return;
  require(input.find("v=") != std::string_view::npos, "a server has to prove itself");
  require(!finish_scram(input, "another", bound), "and that it knows this password");
}

void simple_clients(std::string_view input) {
  sasl::ClientContext context;
  context.clear_allowed = true;
  for (std::string_view name : {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"}) {
    auto credentials = login_of("pencil");
    credentials.token = crypto::Secret("pencil");
    credentials.certificate = true;
    context.offered = {std::string(name)};
    auto client = sasl::make_client(name, context, credentials);
    require(client != nullptr, "a mechanism that is offered has a client");
    (void)finish(*client, input);
  }
  context.offered.clear();
  for (auto name : split(input, ' ')) context.offered.emplace_back(name);
  auto chosen = sasl::choose_mechanism(context, login_of("pencil"));
  if (!chosen.empty()) {
    require(std::ranges::any_of(context.offered, [chosen](const std::string& name) { return iequals(name, chosen); }), "what is chosen was offered");
    require(sasl::make_client(chosen, context, login_of("pencil")) != nullptr, "and has a client");
  }
}

void scram_messages(std::string_view input) {
  if (auto first = sasl::parse_client_first(input)) {
    require(first->gs2 + first->bare == input && sasl::is_nonce(first->nonce), "the halves are the whole");
    require(sasl::unescape_name(sasl::escape_name(first->user)) == first->user, "a name survives");
  }
  if (auto first = sasl::parse_server_first(input)) {
    require(first->iterations > 0 && sasl::is_nonce(first->nonce) && !first->salt.empty(), "a server's first message is whole");
  }
  if (auto last = sasl::parse_client_final(input)) {
    require(input.starts_with(last->without_proof) && sasl::is_nonce(last->nonce), "the proof stands last");
  }
  (void)sasl::parse_server_final(input);
  if (auto name = sasl::unescape_name(input)) require(sasl::unescape_name(sasl::escape_name(*name)) == *name, "a name survives");
}

}  // namespace fuzz
