// The settings and the mechanisms themselves know the same names.
#include <catch2/catch.hpp>

#include "config/reader.hpp"
#include "sasl/client.hpp"
#include "sasl/server.hpp"

namespace mansio::auth {

TEST_CASE("auth.mechanisms takes every mechanism that there is, and names them all when it knows one not") {
  std::string list, named;
  for (std::string_view name : sasl::mechanism_names()) {
    list += (list.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    named += (named.empty() ? " " : ", ") + std::string(name);
  }
  auto parsed = [](const std::string& mechanisms) {
    return config::parse({{"/m.conf", "version = 1; auth = { mechanisms = [ " + mechanisms + " ]; };"}}, {"h.example", "", ""});
  };
  auto all = parsed(list);
  REQUIRE_FALSE(all);                                 // as nobody can log in; but it knows them
  CHECK(all.error().size() == 1);
  CHECK(all.error().at(0).text.starts_with("auth: \"users\" is missing"));
  auto none = parsed("\"KERBEROS_V4\"");
  REQUIRE_FALSE(none);
  CHECK(none.error().at(0).text.ends_with("there are" + named));
}

TEST_CASE("a transport takes every mechanism that we can log in with, and names them all when it knows one not") {
  std::string list, named;
  std::size_t count = 0;
  for (std::string_view name : sasl::mechanism_names()) {
    if (!sasl::is_client_mechanism(name)) continue;
    list += (list.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    named += (named.empty() ? " " : ", ") + std::string(name);
    ++count;
  }
  auto parsed = [](const std::string& mechanisms) {
    return config::parse({{"/m.conf", "version = 1; transports = { mailbox = { kind = \"mbox\"; path = \"/m\"; }; internet = { kind = \"smtp\"; credentials = \"/c\"; "
                                      "tls_certificate = \"/t\"; tls_key = \"/k\"; auth_mechanisms = [ " + mechanisms + " ]; }; };"}}, {"h.example", "", ""});
  };
  auto all = parsed(list);
  REQUIRE(all);
  CHECK((*all)->transport("internet")->auth_mechanisms.size() == count);
  auto none = parsed("\"GSSAPI\"");
  REQUIRE_FALSE(none);
  CHECK(none.error().at(0).text.ends_with("there are" + named));
}

}  // namespace mansio::auth
