#include "sasl/server.hpp"

#include <catch2/catch.hpp>

#include "sasl/decoy.hpp"
#include "sasl/step_text.hpp"

namespace mansio::sasl {
namespace {

using namespace std::string_view_literals;

ServerContext everything(const Decoy* decoy) {
  ServerContext context;
  for (auto name : mechanism_names()) context.mechanisms.emplace_back(name);
  context.encrypted = context.certificate = true;
  context.bindings.exporter = "exporter";
  context.decoy = decoy;
  return context;
}

std::string first_step(std::string_view mechanism, std::optional<std::string_view> initial) {
  Decoy decoy;
  return text_of(make_server(mechanism, everything(&decoy))->begin(initial));
}

const Answer yes(Answer::Verdict::accepted), no(Answer::Verdict::denied), broken_down(Answer::Verdict::unavailable);

}  // namespace

TEST_CASE("PLAIN: three fields make a question, anything else is malformed") {
  struct Row {
    std::string_view response, step;
  };
  const std::string long_user = '\0' + std::string(321, 'u') + '\0' + "p", long_password = std::string() + '\0' + "u" + '\0' + std::string(1025, 'p');
  for (auto [response, step] : {
           Row{"\0user\0pencil sharp"sv, "password user pencil sharp"},
           Row{"user\0user\0pencil"sv, "password user pencil"},
           Row{"\0j\xc3\xb6rg@b.test\0\xc3\xa4"sv, "password j\xc3\xb6rg@b.test \xc3\xa4"},
           Row{"\0jo\xcc\x88rg\0a\xcc\x88"sv, "password j\xc3\xb6rg a\xcc\x88"},   // the password as it came
           Row{"j\xc3\xb6rg\0jo\xcc\x88rg\0p"sv, "password j\xc3\xb6rg p"},
           Row{"other\0user\0pencil"sv, "failed denied user"},
           Row{"\xff\0user\0pencil"sv, "failed denied user"},
           Row{""sv, "failed malformed"},
           Row{"\0"sv, "failed malformed"},
           Row{"\0\0"sv, "failed malformed"},
           Row{"\0user"sv, "failed malformed"},
           Row{"user\0pencil"sv, "failed malformed"},
           Row{"\0user\0"sv, "failed malformed"},
           Row{"\0\0pencil"sv, "failed malformed"},
           Row{"\0user\0pen\0cil"sv, "failed malformed"},
           Row{"\0user\0pencil\0"sv, "failed malformed"},
           Row{"\0us\ner\0pencil"sv, "failed malformed"},
           Row{"\0user\0pen\r\ncil"sv, "failed malformed"},
           Row{"\0user\0\x7f"sv, "failed malformed"},
           Row{"\0us\xff\0pencil"sv, "failed malformed"},
           Row{"\0user\0\xff"sv, "failed malformed"},
           Row{"\0\xd8\xa7" "1\0pencil"sv, "failed malformed"},
           Row{long_user, "failed malformed"},
           Row{long_password, "failed malformed"},
       }) {
    CAPTURE(response);
    CHECK(first_step("PLAIN", response) == step);
  }
  CHECK(first_step("plain", '\0' + std::string(320, 'u') + '\0' + std::string(1024, 'p')).starts_with("password uuu"));
  CHECK(first_step("PLAIN", std::string(9217, 'x')) == "failed malformed");
}

TEST_CASE("The back end's word decides, and names the user") {
  struct Row {
    Answer answer;
    std::string_view step;
  };
  for (auto& [answer, step] : {
           Row{yes, "done user"},
           Row{Answer(Answer::Verdict::accepted, "user@a.test"), "done user@a.test"},
           Row{no, "failed denied user"},
           Row{Answer(Answer::Verdict::denied, "other"), "failed denied user"},
           Row{broken_down, "failed unavailable user"},
       }) {
    Decoy decoy;
    auto server = make_server("PLAIN", everything(&decoy));
    CHECK(text_of(server->begin(std::nullopt)) == "challenge ");
    CHECK(text_of(server->respond("\0user\0pencil"sv)) == "password user pencil");
    CHECK(text_of(server->answer(answer)) == step);
    CHECK(text_of(server->answer(yes)) == "failed malformed");   // it is over
    CHECK(text_of(server->respond("\0user\0pencil"sv)) == "failed malformed");
    CHECK(text_of(server->begin(std::nullopt)) == "failed malformed");
  }
}

TEST_CASE("A call out of turn ends the try") {
  Decoy decoy;
  for (auto name : mechanism_names()) {
    CAPTURE(name);
    auto a = make_server(name, everything(&decoy)), b = make_server(name, everything(&decoy)), c = make_server(name, everything(&decoy));
    CHECK(text_of(a->answer(yes)) == "failed malformed");
    CHECK(text_of(a->begin(std::nullopt)) == "failed malformed");
    CHECK(text_of(b->respond("x")) == "failed malformed");
    CHECK(text_of(c->begin(std::nullopt)).starts_with("challenge "));
    CHECK(text_of(c->answer(yes)) == "failed malformed");
  }
}

TEST_CASE("LOGIN asks for name and password, or takes the name at once") {
  Decoy decoy;
  auto server = make_server("LOGIN", everything(&decoy));
  CHECK(text_of(server->begin(std::nullopt)) == "challenge Username:");
  CHECK(text_of(server->respond("user")) == "challenge Password:");
  CHECK(text_of(server->respond("pencil")) == "password user pencil");
  CHECK(text_of(server->answer(yes)) == "done user");

  server = make_server("LOGIN", everything(&decoy));
  CHECK(text_of(server->begin("user")) == "challenge Password:");
  CHECK(text_of(server->respond("pencil")) == "password user pencil");
  CHECK(text_of(server->answer(no)) == "failed denied user");

  for (auto name : {""sv, "a\0b"sv, "a\n"sv, "\xff"sv}) CHECK(first_step("LOGIN", name) == "failed malformed");
  CHECK(first_step("LOGIN", std::string(321, 'u')) == "failed malformed");
  for (auto password : {""sv, "a\0b"sv, "a\n"sv, "\xff"sv}) {
    server = make_server("LOGIN", everything(&decoy));
    server->begin("user");
    CHECK(text_of(server->respond(password)) == "failed malformed");
  }
}

TEST_CASE("EXTERNAL: the certificate names the user, or allows the one that is asked for") {
  CHECK(first_step("EXTERNAL", "") == "certificate ");
  CHECK(first_step("EXTERNAL", "user") == "certificate user");
  CHECK(first_step("EXTERNAL", "a\0b"sv) == "failed malformed");
  CHECK(first_step("EXTERNAL", std::string(321, 'u')) == "failed malformed");
  Decoy decoy;
  struct Row {
    std::string_view response;
    Answer answer;
    std::string_view step;
  };
  for (auto& [response, answer, step] : {
           Row{"", Answer(Answer::Verdict::accepted, "user"), "done user"},
           Row{"", yes, "failed denied"},   // nobody is named
           Row{"user", yes, "done user"},
           Row{"user", no, "failed denied user"},
       }) {
    auto server = make_server("EXTERNAL", everything(&decoy));
    CHECK(text_of(server->begin(std::nullopt)) == "challenge ");
    server->respond(response);
    CHECK(text_of(server->answer(answer)) == step);
  }
}

TEST_CASE("OAUTHBEARER: what is read and what is malformed") {
  struct Row {
    std::string_view response, step;
  };
  for (auto [response, step] : {
           Row{"n,a=user@a.test,\1host=a.test\1port=587\1auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHR==\1\1",
               "token user@a.test vF9dft4qmTc2Nvb3RlckBhbHR=="},
           Row{"n,,\1auth=bearer  a.b-c_d~e+f/g\1\1", "token  a.b-c_d~e+f/g"},
           Row{"y,a=a=2Cb=3D,\1auth=Bearer t\1\1", "token a,b= t"},
           Row{"", "failed malformed"},
           Row{"n,,", "failed malformed"},
           Row{"n,,\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t", "failed malformed"},
           Row{"n,,auth=Bearer t\1\1", "failed malformed"},
           Row{"p=tls-exporter,,\1auth=Bearer t\1\1", "failed malformed"},
           Row{"n,user,\1auth=Bearer t\1\1", "failed malformed"},
           Row{"n,a=,\1auth=Bearer t\1\1", "failed malformed"},
           Row{"n,a=a=b,\1auth=Bearer t\1\1", "failed malformed"},
           Row{"n,a=a\nb,\1auth=Bearer t\1\1", "failed malformed"},
           Row{"n,,\1auth=Basic t\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer \1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer ==\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t=t\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t t\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\r\n\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\1auth=Bearer u\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\1x\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\1=x\1\1", "failed malformed"},
           Row{"n,,\1auth=Bearer t\1\1\1", "failed malformed"},
       }) {
    CAPTURE(response);
    CHECK(first_step("OAUTHBEARER", response) == step);
  }
}

TEST_CASE("XOAUTH2: what is read and what is malformed") {
  struct Row {
    std::string_view response, step;
  };
  for (auto [response, step] : {
           Row{"user=user@a.test\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1",
               "token user@a.test ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"},
           Row{"user=a\1\1", "failed malformed"},
           Row{"auth=Bearer t\1\1", "failed malformed"},
           Row{"user=\1auth=Bearer t\1\1", "failed malformed"},
           Row{"user=a\1user=b\1auth=Bearer t\1\1", "failed malformed"},
           Row{"user=a\1auth=Bearer t\1x=y\1\1", "failed malformed"},
           Row{"user=a\1auth=Bearer t\1", "failed malformed"},
           Row{"user=a\0b\1auth=Bearer t\1\1"sv, "failed malformed"},
           Row{"user=\xff\1auth=Bearer t\1\1", "failed malformed"},
           Row{"", "failed malformed"},
           Row{"\1\1", "failed malformed"},
       }) {
    CAPTURE(response);
    CHECK(first_step("XOAUTH2", response) == step);
  }
}

TEST_CASE("A refused token is told by JSON, and fails after the client's last word whatever that is") {
  Decoy decoy;
  for (auto last : {"\1"sv, ""sv, "anything"sv}) {
    auto server = make_server("OAUTHBEARER", everything(&decoy));
    server->begin("n,a=user,\1auth=Bearer t\1\1");
    CHECK(text_of(server->answer(no)) == R"(challenge {"status":"invalid_token"})");
    CHECK(text_of(server->respond(last)) == "failed denied user");
    server = make_server("XOAUTH2", everything(&decoy));
    server->begin("user=user\1auth=Bearer t\1\1");
    CHECK(text_of(server->answer(no)).starts_with(R"(challenge {"status":"401")"));
    CHECK(text_of(server->respond(last)) == "failed denied user");
  }
  auto server = make_server("OAUTHBEARER", everything(&decoy));
  server->begin("n,,\1auth=Bearer t\1\1");
  CHECK(text_of(server->answer(Answer(Answer::Verdict::accepted, "user"))) == "done user");
  server = make_server("OAUTHBEARER", everything(&decoy));
  server->begin("n,a=user,\1auth=Bearer t\1\1");
  CHECK(text_of(server->answer(broken_down)) == "failed unavailable user");
}

TEST_CASE("Only what the session can do is offered and made") {
  using Names = std::vector<std::string_view>;
  Decoy decoy;
  ServerContext context = everything(&decoy);
  CHECK(offered(context) == mechanism_names());
  CHECK(offered(context) == Names{"EXTERNAL", "GSSAPI", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"});
  context.certificate = false;
  context.bindings = ChannelBindings();
  CHECK(offered(context) == Names{"GSSAPI", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"});
  context.encrypted = false;
  CHECK(offered(context) == Names{"GSSAPI", "SCRAM-SHA-256"});
  CHECK(make_server("PLAIN", context) == nullptr);
  CHECK(make_server("EXTERNAL", context) == nullptr);
  CHECK(make_server("SCRAM-SHA-256-PLUS", context) == nullptr);
  CHECK(make_server("scram-sha-256", context) != nullptr);
  context.decoy = nullptr;
  CHECK(offered(context) == Names{"GSSAPI"});
  context = everything(&decoy);
  context.mechanisms = {"plain", "CRAM-MD5"};
  CHECK(offered(context) == Names{"PLAIN"});
  CHECK(make_server("LOGIN", context) == nullptr);
  CHECK(make_server("CRAM-MD5", context) == nullptr);
  CHECK(make_server("", context) == nullptr);
}

}  // namespace mansio::sasl
