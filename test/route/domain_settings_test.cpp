// Domains with settings of their own: which transport a destination gets, and who may be relayed for.
#include <catch2/catch.hpp>

#include <filesystem>

#include "base/file.hpp"
#include "config/reader.hpp"
#include "route/house.hpp"

namespace mansio::route {
namespace {

TablesPtr tables_for(const std::string& text) {
  config::MachineFacts facts;
  facts.host_name = facts.mail_name = "ex.test";
  auto config = config::parse({{"/d/mansio.conf", "version = 1;\n" + text}}, facts);
  if (!config) for (const auto& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return load_tables(*config, {});
}

const std::string groups = R"(
  domains = { local = [ "ex.test" ]; relay_to = [ "*.old.test", "plain.test" ]; alias = ( { from = "nick.test"; to = "partner.test"; } ); };
  domain_settings = (
    { domains = [ "partner.test", "*.partner.test" ]; port = 26; },
    { domains = [ "secret.old.test" ]; relay = false; },
    { domains = [ "open.test" ]; relay = true; },
    { domains = [ "*.test" ]; port = 27; relay = false; }
  );
)";

}  // namespace

TEST_CASE("a destination has the transport as it is for its domain, the first group counts") {
  auto tables = tables_for(groups);
  Users users;
  Router router(tables, users, RouterOptions());
  struct Row {
    const char *address, *key;
    int port;
  };
  for (const Row& row : {Row{"x@partner.test", "internet(partner.test)", 26}, Row{"x@A.Partner.TEST", "internet(partner.test)", 26},
                         Row{"x@nick.test", "internet(partner.test)", 26}, Row{"x@secret.old.test", "internet", 25},
                         Row{"x@deep.secret.old.test", "internet(*.test)", 27}, Row{"x@far.example", "internet", 25}}) {
    INFO(row.address);
    auto found = event::run_ready(router.resolve(address(row.address), ""));
    REQUIRE(found.destinations.size() == 1);
    CHECK(found.destinations[0].transport->name == "internet");
    CHECK(found.destinations[0].transport->key() == row.key);
    CHECK(found.destinations[0].transport->port == row.port);
  }
}

TEST_CASE("relay of a domain's group is stronger than relay_to") {
  auto tables = tables_for(groups);
  Users users;
  Router router(tables, users, RouterOptions());
  for (auto [text, standing] : {std::pair{"x@open.test", Standing::relay}, {"x@secret.old.test", Standing::remote}, {"x@a.old.test", Standing::remote},
                                {"x@plain.test", Standing::remote}, {"x@partner.test", Standing::remote}, {"x@far.example", Standing::remote}}) {
    INFO(text);
    CHECK(event::run_ready(router.verify(address(text), "")).standing == standing);
  }
  auto open = tables_for(R"(domains = { relay_to = [ "*.old.test" ]; }; domain_settings = ( { domains = [ "a.old.test" ]; port = 26; } );)");
  Router other(open, users, RouterOptions());
  CHECK(event::run_ready(other.verify(address("x@a.old.test"), "")).standing == Standing::relay);
}

TEST_CASE("while a group's list can't be read nobody knows whether it is for a domain, unless a group before it is") {
  auto tables = tables_for(R"(domain_settings = ( { domains = [ "sure.test" ]; port = 26; }, { domains = [ "file:/nonexistent/partners" ]; port = 27; } );)");
  Users users;
  Router router(tables, users, RouterOptions());
  CHECK(event::run_ready(router.resolve(address("x@sure.test"), "")).destinations.at(0).transport->port == 26);
  auto found = event::run_ready(router.resolve(address("x@far.test"), ""));
  CHECK(found.destinations.empty());
  CHECK(found.status().code() == 451);
  CHECK(event::run_ready(router.verify(address("x@far.test"), "")).standing == Standing::refused);
}

}  // namespace mansio::route
