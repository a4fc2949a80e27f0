#include <catch2/catch.hpp>

#include "config/reader.hpp"

using namespace mansio;
using namespace mansio::config;
using Lines = std::vector<std::string>;

namespace {

const std::string head = "version = 1; host_name = \"mx.ex.test\"; mail_name = \"ex.test\";\n";

auto read(const std::string& text) { return parse({Source{"/etc/mansio/mansio.conf", head + text}}, {}); }

ConfigPtr good(const std::string& text) {
  auto parsed = read(text);
  if (!parsed) FAIL(parsed.error().front().message());
  return *parsed;
}

}  // namespace

TEST_CASE("lists of clients hold addresses, networks, names and look-ups, and come in one form") {
  ConfigPtr c = good("relay_from = [ \"192.0.2.0/24\", \"Mail.Friend.example\", \"*.Sub.example.\", \"file:relays\" ]; relay_deny = [ \"192.0.2.66\" ];\n"
                     "access = { allow = [ \"*\" ]; deny = [ \"file:/blocked\" ]; }; domains = { etrn_from = [ \"*.Dial.example\" ]; };");
  CHECK(c->relay_from == Lines{"192.0.2.0/24", "mail.friend.example", "*.sub.example", "file:/etc/mansio/relays"});
  CHECK(c->relay_deny == Lines{"192.0.2.66"});
  CHECK(c->access.allow == Lines{"*"});
  CHECK(c->access.deny == Lines{"file:/blocked"});
  CHECK(c->domains.etrn_from == Lines{"*.dial.example"});
}

TEST_CASE("mistakes in lists of clients are named by place") {
  struct Row {
    std::string text, problem;
  };
  for (const auto& row : std::vector<Row>{
           {"relay_deny = [ \"10.0.0.1/8\" ];", "relay_deny[0]: \"10.0.0.1/8\" has bits after its prefix: did you mean \"10.0.0.0/8\"?"},
           {"access = { deny = [ \".example.org\" ]; };", "access.deny[0]: \".example.org\" is no name: for all below it write \"*.example.org\""},
           {"access = { allow = [ ]; };", "access.allow: it names no client, so nobody could connect: leave it out for everybody"},
           {"listeners = ( { port = 25; relay_from = [ \"192.0.2\" ]; } );", "listeners[0].relay_from[0]: \"192.0.2\" is no IPv4 or IPv6 address"},
           {"listeners = ( { port = 25; access = { allow = [ ]; }; } );", "listeners[0].access.allow: it names no client, so nobody could connect: leave it out for everybody"},
           {"domains = { etrn_from = [ \"\" ]; };", "domains.etrn_from: a name in the list is empty"},
           {"log = { w3c_fields = [ \"date\", \"sc-statuss\" ]; };", "log.w3c_fields[1]: unknown field \"sc-statuss\" (did you mean \"sc-status\"?)"},
           {"log = { w3c_fields = [ \"date\", \"date\" ]; };", "log.w3c_fields[1]: \"date\" is in the list twice"},
           {"log = { w3c_fields = [ ]; };", "log.w3c_fields: it names no field: leave it out for all of them"}}) {
    INFO(row.text);
    auto parsed = read(row.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().front().text == row.problem);
  }
}

TEST_CASE("a listener has what it does not say from the settings for all, each by itself") {
  ConfigPtr c = good("relay_from = [ \"192.0.2.0/24\" ]; relay_deny = [ \"192.0.2.66\" ]; access = { allow = [ \"192.0.2.0/24\", \"127.0.0.1\" ]; deny = [ \"192.0.2.99\" ]; };\n"
                     "limits = { recipients = 7; message_size = \"1M\"; connections = 11; }; log = { connections = true; };\n"
                     "listeners = ( { port = 25; }, { port = 26; access = { allow = [ \"127.0.0.1\" ]; }; relay_from = [ ]; log_connections = false; w3c = true;\n"
                     "  limits = { recipients = 3; message_size = \"2M\"; command_timeout = \"7s\"; connections_per_client = 2; }; } );");
  const Listener &first = c->listeners.at(0), &second = c->listeners.at(1);
  CHECK(first.access->allow == c->access.allow);
  CHECK(first.access->deny == c->access.deny);
  CHECK(first.relay->allow == c->relay_from);
  CHECK(first.relay->deny == c->relay_deny);
  CHECK(first.log_connections == true);
  CHECK(first.w3c == false);
  CHECK(first.limits.recipients == 7u);
  CHECK(first.limits.connections == 11u);
  CHECK(first.limits.message_size->bytes() == 1u << 20);
  CHECK(first.limits.data_timeout == c->limits.data_timeout);
  CHECK(second.access->allow == Lines{"127.0.0.1"});
  CHECK(second.access->deny == Lines{"192.0.2.99"});
  CHECK(second.relay->allow.empty());
  CHECK(second.relay->deny == Lines{"192.0.2.66"});
  CHECK(second.log_connections == false);
  CHECK(second.w3c == true);
  CHECK(second.limits.recipients == 3u);
  CHECK(second.limits.message_size->bytes() == 2u << 20);
  CHECK(second.limits.command_timeout == Duration(7000));
  CHECK(second.limits.connections_per_client == 2u);
  CHECK(second.limits.messages_per_connection == c->limits.messages_per_connection);
  CHECK(second.limits.session_size->bytes() == c->limits.session_size.bytes());
}
