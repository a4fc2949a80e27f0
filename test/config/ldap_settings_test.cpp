// Directories in the configuration: what goes together, and where "ldap:NAME" may stand.
#include <catch2/catch.hpp>

#include "config/directory.hpp"
#include "config/reader.hpp"

namespace mansio::config {
namespace {

std::vector<std::string> ldap_mistakes(const std::string& text) {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1; " + text}}, {"mail.example.org", "example.org", ""});
  std::vector<std::string> out;
  if (!config) for (const Problem& p : config.error()) out.push_back(p.text);
  return out;
}

std::string company(const std::string& settings) {
  return "ldap = { company = { servers = [ \"ldap://a.test\" ]; base = \"dc=ex\"; " + settings + " }; }; ";
}

}  // namespace

TEST_CASE("a directory of few words gets the usual filter") {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1; " + company("")}}, {"mail.example.org", "example.org", ""});
  REQUIRE(config);
  CHECK((*config)->directory("company")->filter == default_ldap_filter);
  CHECK(ldap_mistakes(company("") + "alias_look_ups = [ \"ldap:company\" ];").empty());
}

TEST_CASE("mistakes of directories are found") {
  struct Row {
    std::string text, mistake;
  };
  const std::string transports = "transports = { m = { kind = \"mbox\"; path = \"/m\"; }; }; ";
  auto route = [&](const std::string& users) { return company("") + transports + "routes = ( { name = \"r\"; domains = [ \"x.test\" ]; users = \"" + users + "\"; transport = \"m\"; } );"; };
  const Row rows[] = {
      {"ldap = { company = { servers = [ ]; base = \"\"; }; };", "ldap.company.servers: it names no server"},
      {"ldap = { company = { servers = [ \"ldap://a.test/dc=x\" ]; base = \"\"; }; };",
       "ldap.company.servers[0]: \"ldap://a.test/dc=x\" is no server: base, scope and filter are settings of their own; write \"ldap://host\", \"ldaps://host:636\" or "
       "\"ldapi:///path\""},
      {"ldap = { company = { servers = [ \"ldap://a\", \"ldaps://b\" ]; base = \"\"; tls = \"starttls\"; }; };",
       "ldap.company.servers[1]: ldaps:// begins with TLS, so that there is no STARTTLS: write ldap://, or leave tls out"},
      {company("bind_dn = \"cn=x\";"), "ldap.company.bind_dn: bind_dn and password_file belong together: give both, or none to bind as nobody"},
      {company("password_file = \"x\";"), "ldap.company.password_file: bind_dn and password_file belong together: give both, or none to bind as nobody"},
      {company("filter = \"(mail={adress})\";"),
       "ldap.company.filter: the filter is no filter of LDAP (RFC 4515) at character 7: only {address}, {local} and {domain} may stand in braces; a brace is written \\7b"},
      {company("filter = \"(mail=bob)\";"), "ldap.company.filter: the filter asks for nobody: it needs {address} or {local}"},
      {company("members = \"member;range=0-1\";"), "ldap.company.members: \"member;range=0-1\" is no name of an attribute"},
      {company("") + "alias_look_ups = [ \"ldap:compny\" ];", "alias_look_ups[0]: there is no directory \"compny\" in the group ldap (did you mean \"company\"?)"},
      {company("") + "alias_look_ups = [ \"company\" ];", "alias_look_ups[0]: \"company\" is no directory: write \"ldap:NAME\""},
      {route("ldap:compan"), "routes[0].users: there is no directory \"compan\" in the group ldap (did you mean \"company\"?)"},
      {company("") + "domains = { local = [ \"ldap:company\" ]; };",
       "domains.local[0]: \"ldap:company\": a directory is asked by routes[].users and alias_look_ups alone; write \"file:/path\" here"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(ldap_mistakes(row.text) == std::vector<std::string>{row.mistake});
  }
  CHECK(ldap_mistakes(route("ldap:company")).empty());
}

TEST_CASE("where clients are listed a directory is no look-up, and the error says where it is one") {
  for (const char* text : {"relay_from = [ \"ldap:company\" ];", "access = { deny = [ \"ldap:company\" ]; };"}) {
    auto mistakes = ldap_mistakes(company("") + text);
    REQUIRE(mistakes.size() == 1);
    CHECK(mistakes.front().find("routes[].users and alias_look_ups") != std::string::npos);
  }
}

}  // namespace mansio::config
