// The dialogue of GSSAPI over a security context that only pretends.
#include <catch2/catch.hpp>

#include "base/text.hpp"
#include "sasl/decoy.hpp"
#include "sasl/server.hpp"
#include "sasl/step_text.hpp"

namespace mansio::sasl {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

// "W" and the text is a wrapped text.
class Pretended final : public SecurityContext {
 public:
  explicit Pretended(bool complete, bool wraps = true) : complete_(complete), wraps_(wraps) {}
  bool complete() const override { return complete_; }
  Result<std::string> wrap(std::string_view text) override {
    if (!wraps_) return fail(Fault::system, "no key");
    return "W" + std::string(text);
  }
  Result<std::string> unwrap(std::string_view token) override {
    if (!token.starts_with('W')) return fail(Fault::invalid, "not signed");
    return std::string(token.substr(1));
  }

 private:
  bool complete_, wraps_;
};

Answer accepted(bool complete, const std::string& token, const std::string& user = "bob", bool wraps = true) {
  Answer answer(Answer::Verdict::accepted, user);
  answer.context = std::make_shared<Pretended>(complete, wraps);
  answer.token = token;
  answer.principal = user.empty() ? "" : user + "@EX.TEST";
  return answer;
}

std::unique_ptr<Server> gssapi() {
  ServerContext context;
  context.mechanisms = {"GSSAPI"};
  return make_server("gssapi", context);
}

// Up to the choice of the layer.
std::string after_layer(std::string_view response, const std::string& user = "bob") {
  auto server = gssapi();
  server->begin("token");
  server->answer(accepted(true, "reply", user));
  server->respond("");
  return text_of(server->respond(response));
}

}  // namespace

TEST_CASE("GSSAPI: token, token, nothing, layers, choice, done") {
  auto server = gssapi();
  REQUIRE(server);
  CHECK(text_of(server->begin(std::nullopt)) == "challenge ");
  CHECK(text_of(server->respond("token 1")) == "ticket  token 1");
  CHECK(text_of(server->answer(accepted(true, "token 2"))) == "challenge token 2");
  CHECK(text_of(server->respond("")) == "challenge W\x01\0\0\0"s);
  CHECK(text_of(server->respond("W\x01\0\0\0"sv)) == "done bob");
}

TEST_CASE("GSSAPI: the context goes with every further token, and no last token means that the layers come at once") {
  auto server = gssapi();
  Step step = server->begin("token 1");
  CHECK_FALSE(std::get<Question>(step).context);
  Answer half = accepted(false, "token 2", "");
  CHECK(text_of(server->answer(half)) == "challenge token 2");
  step = server->respond("token 3");
  CHECK(text_of(step) == "ticket  token 3");
  CHECK(std::get<Question>(step).context == half.context);
  CHECK(text_of(server->answer(accepted(true, ""))) == "challenge W\x01\0\0\0"s);
  CHECK(text_of(server->respond("W\x01\0\0\0bob"sv)) == "done bob");
}

TEST_CASE("GSSAPI: what the client chooses") {
  struct Row {
    std::string_view response, step;
  };
  for (auto [response, step] : {
           Row{"W\x01\0\0\0"sv, "done bob"},
           Row{"W\x01\0\xff\xff"sv, "done bob"},              // a size without a layer means nothing
           Row{"W\x01\0\0\0bob"sv, "done bob"},
           Row{"W\x01\0\0\0bob@EX.TEST"sv, "done bob"},
           Row{"W\x01\0\0\0bob@ex.test"sv, "failed denied bob"},
           Row{"W\x01\0\0\0alice"sv, "failed denied bob"},
           Row{"W\x01\0\0\0bo\0b"sv, "failed denied bob"},
           Row{"W\x01\0\0\0\xff"sv, "failed denied bob"},
           Row{"W\x02\0\0\0"sv, "failed malformed"},
           Row{"W\x04\0\0\0"sv, "failed malformed"},
           Row{"W\x03\0\0\0"sv, "failed malformed"},
           Row{"W\0\0\0\0"sv, "failed malformed"},
           Row{"W\x01\0\0"sv, "failed malformed"},
           Row{"W"sv, "failed malformed"},
           Row{"\x01\0\0\0"sv, "failed denied bob"},          // not wrapped
           Row{""sv, "failed denied bob"},
       }) {
    INFO(escape(response));
    CHECK(after_layer(response) == step);
  }
}

TEST_CASE("GSSAPI: refusals") {
  CHECK(text_of(gssapi()->begin("")) == "failed malformed");
  auto told = [](const Answer& answer) {
    auto server = gssapi();
    server->begin("token");
    return text_of(server->answer(answer));
  };
  CHECK(told(Answer(Answer::Verdict::denied, "eve@OTHER.TEST")) == "failed denied eve@OTHER.TEST");
  CHECK(told(Answer(Answer::Verdict::unavailable)) == "failed unavailable");
  CHECK(told(Answer(Answer::Verdict::accepted, "bob")) == "failed denied bob");        // by whom? no context
  CHECK(told(accepted(true, "reply", "")) == "failed denied");
  CHECK(told(accepted(false, "")) == "failed malformed");
  CHECK(told(accepted(true, "", "bob", false)) == "failed unavailable bob");
  auto server = gssapi();
  server->begin("token");
  server->answer(accepted(true, "reply"));
  CHECK(text_of(server->respond("more")) == "failed malformed");
  CHECK(text_of(server->respond("")) == "failed malformed");                           // it is over
}

TEST_CASE("GSSAPI is offered with and without TLS, and only where it is allowed") {
  ServerContext context;
  CHECK(make_server("GSSAPI", context) == nullptr);
  context.mechanisms = {"GSSAPI", "PLAIN"};
  CHECK(offered(context) == std::vector<std::string_view>{"GSSAPI"});
  context.encrypted = true;
  CHECK(offered(context) == std::vector<std::string_view>{"GSSAPI", "PLAIN"});
}

}  // namespace mansio::sasl
