#include "auth/kerberos_backend.hpp"

#include <catch2/catch.hpp>

#include "auth/asking.hpp"
#include "auth/backends.hpp"

namespace mansio::auth {

TEST_CASE("tickets are looked at on a thread, refusals are told with the client's address and the reason") {
  event::OnLoop on;
  std::vector<std::string> told;
  auto accept = [main = std::this_thread::get_id()](const sasl::Question& question, std::string& why) {
    CHECK(std::this_thread::get_id() != main);
    std::string token(question.secret.view());
    if (token == "good") return sasl::Answer(sasl::Answer::Verdict::accepted, "bob");
    why = "no key for it";
    return sasl::Answer(token == "bad" ? sasl::Answer::Verdict::denied : sasl::Answer::Verdict::unavailable, "eve@X");
  };
  auto backend = std::make_shared<KerberosBackend>(on.loop, accept, [&](const std::string& text) { told.push_back(text); });
  auto question = [](const char* token) { return sasl::Question(sasl::Question::Kind::ticket, "", crypto::Secret(token)); };
  CHECK(words_of(ask(on, *backend, question("good"))) == "accepted bob");
  CHECK(told.empty());
  auto denied = ask(on, *backend, question("bad"));
  CHECK(words_of(denied) == "denied");
  CHECK(denied.user == "eve@X");
  CHECK(words_of(ask(on, *backend, question("broken"), from(""))) == "unavailable");
  CHECK(told == std::vector<std::string>{"GSSAPI: [192.0.2.9] refused: no key for it", "GSSAPI: a local client not served: no key for it"});
  CHECK(words_of(ask(on, *backend, password_question("bob", "x"))) == "denied");

  Backends both(nullptr, nullptr, backend), without(nullptr, nullptr);
  CHECK(both.mechanisms() == std::vector<std::string_view>{"GSSAPI"});
  CHECK(words_of(ask(on, both, question("good"))) == "accepted bob");
  CHECK(words_of(ask(on, both, password_question("bob", "x"))) == "denied");
  CHECK(words_of(ask(on, without, question("good"))) == "denied");
}

}  // namespace mansio::auth
