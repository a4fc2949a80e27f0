#include "sasl/client.hpp"

#include <catch2/catch.hpp>

#include "sasl/server.hpp"
#include "sasl/simple_clients.hpp"

namespace mansio::sasl {
namespace {

using namespace std::string_view_literals;

Credentials pencil() {
  Credentials credentials;
  credentials.user = "user";
  credentials.password = crypto::Secret("pencil");
  credentials.token = crypto::Secret("t0ken==");
  credentials.certificate = true;
  return credentials;
}

ClientContext with(std::vector<std::string> offered) {
  ClientContext context;
  context.offered = std::move(offered);
  context.clear_allowed = true;
  context.bindings.exporter = "exporter";
  return context;
}

const std::vector<std::string> all{"PLAIN", "login", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER", "EXTERNAL", "CRAM-MD5"};

}  // namespace

TEST_CASE("The best mechanism is chosen that server, configuration and credentials allow") {
  Credentials credentials = pencil();
  ClientContext context = with(all);
  CHECK(choose_mechanism(context, credentials) == "EXTERNAL");
  credentials.certificate = false;
  CHECK(choose_mechanism(context, credentials) == "OAUTHBEARER");
  context.allowed = {"xoauth2", "PLAIN"};
  CHECK(choose_mechanism(context, credentials) == "XOAUTH2");
  context.clear_allowed = false;
  CHECK(choose_mechanism(context, credentials) == "");
  context.allowed.clear();
  CHECK(choose_mechanism(context, credentials) == "SCRAM-SHA-256-PLUS");
  context.bindings = ChannelBindings();
  CHECK(choose_mechanism(context, credentials) == "SCRAM-SHA-256");
  credentials.password = crypto::Secret();
  CHECK(choose_mechanism(context, credentials) == "");
  credentials = pencil();
  credentials.token = crypto::Secret();
  CHECK(choose_mechanism(with({"LOGIN", "PLAIN"}), credentials) == "PLAIN");
  CHECK(choose_mechanism(with({"LOGIN"}), credentials) == "LOGIN");
  CHECK(choose_mechanism(with({"CRAM-MD5", ""}), credentials) == "");
  CHECK(choose_mechanism(with({}), credentials) == "");
}

TEST_CASE("A client is made only when it may be used") {
  ClientContext context = with(all);
  CHECK(make_client("CRAM-MD5", context, pencil()) == nullptr);
  CHECK(make_client("", context, pencil()) == nullptr);
  context.clear_allowed = false;
  for (auto name : {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}) CHECK(make_client(name, context, pencil()) == nullptr);
  for (auto name : {"EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) CHECK(make_client(name, context, pencil()) != nullptr);
}

TEST_CASE("What each client says first") {
  struct Row {
    std::string_view mechanism, message;
  };
  for (auto [mechanism, message] : {
           Row{"PLAIN", "\0user\0pencil"sv},
           Row{"EXTERNAL", ""sv},
           Row{"XOAUTH2", "user=user\1auth=Bearer t0ken==\1\1"sv},
           Row{"OAUTHBEARER", "n,a=user,\1auth=Bearer t0ken==\1\1"sv},
       }) {
    CAPTURE(mechanism);
    auto client = make_client(mechanism, with(all), pencil());
    CHECK(client->begin().value()->view() == message);
    CHECK(client->finish().has_value());
  }
  CHECK(make_client("LOGIN", with(all), pencil())->begin().value() == std::nullopt);
  auto scram = [](const ClientContext& context, std::string_view name) {
    return std::string(make_client(name, context, pencil())->begin().value()->view()).substr(0, 3);
  };
  CHECK(scram(with(all), "SCRAM-SHA-256-PLUS") == "p=t");
  CHECK(scram(with({"SCRAM-SHA-256"}), "SCRAM-SHA-256") == "y,,");
  CHECK(scram(with(all), "SCRAM-SHA-256") == "n,,");   // we know that the server could
  ClientContext unbound = with({"SCRAM-SHA-256"});
  unbound.bindings = ChannelBindings();
  CHECK(scram(unbound, "SCRAM-SHA-256") == "n,,");
}

TEST_CASE("LOGIN answers two questions, however they are put, and no third") {
  auto client = make_client("LOGIN", with(all), pencil());
  REQUIRE(client->begin().has_value());
  CHECK(client->respond("User Name\0"sv).value().view() == "user");
  CHECK(client->respond("").value().view() == "pencil");
  CHECK_FALSE(client->respond("Password:").has_value());
}

TEST_CASE("An error report of a token mechanism is answered once, other challenges are refused") {
  auto client = make_client("OAUTHBEARER", with(all), pencil());
  CHECK(client->respond(R"({"status":"invalid_token"})").value().view() == "\1");
  CHECK_FALSE(client->respond("").has_value());
  client = make_client("XOAUTH2", with(all), pencil());
  CHECK(client->respond("{}").value().view() == "");
  CHECK_FALSE(client->respond("").has_value());
  CHECK_FALSE(make_client("PLAIN", with(all), pencil())->respond("").has_value());
  CHECK_FALSE(make_client("EXTERNAL", with(all), pencil())->respond("").has_value());
}

TEST_CASE("Credentials that no mechanism can carry are errors that don't show them") {
  for (auto name : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER"}) {
    CAPTURE(name);
    for (auto text : {std::string("pen\0cil", 7), std::string("pencil\r\n"), std::string("pencil\1"), std::string("pencil\xff"),
                      std::string(9000, 'x')}) {
      Credentials credentials = pencil();
      credentials.password = credentials.token = crypto::Secret(text);
      auto begun = make_client(name, with(all), credentials)->begin();
      REQUIRE_FALSE(begun.has_value());
      CHECK(begun.error().text().find("pencil") == std::string::npos);
      credentials = pencil();
      credentials.user = text;
      CHECK_FALSE(make_client(name, with(all), credentials)->begin().has_value());
    }
    Credentials nobody = pencil();
    nobody.user.clear();
    CHECK_FALSE(make_client(name, with(all), nobody)->begin().has_value());
  }
}

TEST_CASE("What the clients say, the servers read") {
  ServerContext context;
  for (auto name : mechanism_names()) context.mechanisms.emplace_back(name);
  context.encrypted = context.certificate = true;
  for (auto name : {"PLAIN", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"}) {
    Credentials credentials = pencil();
    credentials.user = "a,b=c\xc3\xa4@d.test";
    auto initial = make_client(name, with(all), credentials)->begin();
    Step step = make_server(name, context)->begin(initial.value()->view());
    REQUIRE(std::holds_alternative<Question>(step));
    CHECK(std::get<Question>(step).user == (name == "EXTERNAL"sv ? "" : credentials.user));
  }
}

}  // namespace mansio::sasl
