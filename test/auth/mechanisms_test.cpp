// The settings and the mechanisms themselves know the same names.
#include <catch2/catch.hpp>

#include "config/reader.hpp"
#include "sasl/server.hpp"

namespace mansio::auth {

TEST_CASE("the configuration takes every mechanism that there is, and names them all when it knows one not") {
  std::string list, named;
  for (std::string_view name : sasl::mechanism_names()) {
    list += (list.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    named += (named.empty() ? " " : ", ") + std::string(name);
  }
  auto parsed = [](const std::string& mechanisms) {
    return config::parse({{"/m.conf", "version = 1; transports = { mailbox = { kind = \"mbox\"; path = \"/m\"; }; internet = { kind = \"smtp\"; credentials = \"/c\"; "
                                      "tls_certificate = \"/t\"; tls_key = \"/k\"; auth_mechanisms = [ " + mechanisms + " ]; }; };"}}, {"h.example", "", ""});
  };
  auto all = parsed(list);
  REQUIRE(all);
  CHECK((*all)->transport("internet")->auth_mechanisms.size() == sasl::mechanism_names().size());
  auto none = parsed("\"GSSAPI\"");
  REQUIRE_FALSE(none);
  for (std::string_view name : sasl::mechanism_names()) CHECK(none.error().at(0).text.find(name) != std::string::npos);
  CHECK(none.error().at(0).text.ends_with("there are" + named));
}

}  // namespace mansio::auth
