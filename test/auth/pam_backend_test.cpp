#include "auth/pam_backend.hpp"

#include <catch2/catch.hpp>

#include "asking.hpp"

namespace mansio::auth {
namespace {

event::Task<sasl::Answer> answer_for(std::string* seen, std::string user, crypto::Secret password, std::string client) {
  *seen = user + "|" + std::string(password.view()) + "|" + client;
  co_return sasl::Answer(sasl::Answer::Verdict::accepted, user);
}

}  // namespace

TEST_CASE("PAM is asked about passwords alone, by the name that the system has") {
  std::string seen;
  PamBackend backend([&](std::string user, crypto::Secret password, std::string client) {
    return answer_for(&seen, std::move(user), std::move(password), std::move(client));
  }, "example.org");
  event::OnLoop on;
  struct Row { const char* user; const char* want; };
  const std::vector<Row> rows{{"bob", "bob|p w|192.0.2.9"}, {"Bob@Example.ORG", "bob|p w|192.0.2.9"}, {"bob@ad.example", "bob@ad.example|p w|192.0.2.9"}};
  for (const auto& row : rows) {
    CHECK(words_of(ask(on, backend, password_question(row.user, "p w"))).starts_with("accepted "));
    CHECK(seen == row.want);
  }
  seen.clear();
  for (const char* user : {"", "@example.org", "bob@-"}) CHECK(words_of(ask(on, backend, password_question(user, "x"))) == "denied");
  for (auto kind : {sasl::Question::Kind::keys, sasl::Question::Kind::token, sasl::Question::Kind::certificate}) {
    CHECK(words_of(ask(on, backend, sasl::Question(kind, "bob", crypto::Secret("x")))) == "denied");
  }
  CHECK(seen.empty());
  PamBackend full([&](std::string user, crypto::Secret password, std::string client) {
    return answer_for(&seen, std::move(user), std::move(password), std::move(client));
  }, "", 0);
  CHECK(words_of(ask(on, full, password_question("bob", "x"))) == "unavailable");
  CHECK(backend.mechanisms() == std::vector<std::string_view>{"PLAIN", "LOGIN"});
}

}  // namespace mansio::auth
