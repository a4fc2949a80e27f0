// What domain_settings and smart_host make of the transports, and what goes wrong with them.
#include <catch2/catch.hpp>

#include "config/domain_settings.hpp"
#include "config/reader.hpp"

namespace mansio::config {
namespace {

using namespace std::chrono_literals;

std::expected<ConfigPtr, Problems> read_domains(const std::string& text) {
  MachineFacts facts;
  facts.host_name = "mx.ex.test";
  facts.mail_name = "ex.test";
  return parse({{"/d/mansio.conf", "version = 1;\n" + text}}, facts);
}

ConfigPtr good_domains(const std::string& text) {
  auto config = read_domains(text);
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return *config;
}

std::vector<std::string> domain_problems(const std::string& text) {
  auto config = read_domains(text);
  std::vector<std::string> out;
  if (!config) for (const Problem& p : config.error()) out.push_back(p.message());
  return out;
}

const std::string three_transports = R"(transports = {
  mailbox = { kind = "mbox"; path = "/m"; };
  boxes = { kind = "lmtp"; hosts = [ "[127.0.0.1]:24" ]; };
  internet = { kind = "smtp"; helo_name = "out.ex.test"; port = 2525; connections = 7; };
};
)";

}  // namespace

TEST_CASE("a group makes a transport of its own of each that it changes, under the same name") {
  auto config = good_domains(three_transports + R"(domain_settings = (
    { domains = [ "partner.test", "*.Partner.TEST" ]; hosts = [ "Mail.Partner.test" ]; port = 26; tls = "required"; tls_implicit = false;
      helo_name = "other.ex.test"; credentials = "p.secret"; source_address = "192.0.2.7"; connections = 2;
      messages_per_connection = 3; recipients_per_message = 4; timeout = "45s"; fallback = [ "[192.0.2.9]" ]; direct_first = true; },
    { domains = [ "quiet.test" ]; relay = true; },
    { domains = [ "slow.test" ]; retry = "1m for 1h"; } );)");
  const auto& groups = config->domain_settings;
  REQUIRE(groups.size() == 3);
  CHECK(groups[0].domains == std::vector<std::string>{"partner.test", "*.partner.test"});
  REQUIRE(groups[0].variants.size() == 2);
  const Transport& partner = *groups[0].transport("internet");
  CHECK(partner.name == "internet");
  CHECK(partner.key() == "internet(partner.test)");
  CHECK(partner.group == 0);
  CHECK(partner.hosts == std::vector<std::string>{"mail.partner.test:26"});
  CHECK(partner.fallback == std::vector<std::string>{"[192.0.2.9]:26"});
  CHECK(partner.direct_first);
  CHECK(partner.port == 26);
  CHECK(partner.tls == ClientTls::required);
  CHECK(partner.helo_name == "other.ex.test");
  CHECK(partner.credentials == "/d/p.secret");
  CHECK(partner.source_address == "192.0.2.7");
  CHECK(partner.connections == 2);
  CHECK(partner.messages_per_connection == 3);
  CHECK(partner.recipients_per_message == 4);
  CHECK(partner.timeouts.connect == 45s);
  CHECK(partner.timeouts.data_end == 45s);
  // Hosts, port and hello are who takes the mail: those of a transport to mailboxes are not touched.
  const Transport& boxes = *groups[0].transport("boxes");
  CHECK(boxes.hosts == std::vector<std::string>{"[127.0.0.1]:24"});
  CHECK_FALSE(boxes.direct_first);
  CHECK(boxes.helo_name == "other.ex.test");
  CHECK(groups[0].transport("mailbox") == nullptr);
  CHECK(groups[1].variants.empty());
  CHECK(groups[2].transport("internet")->key() == "internet(slow.test)");
  CHECK(groups[2].transport("internet")->connections == 7);
  CHECK(groups[2].transport("internet")->group == 2);
  // The transport itself is as it was.
  const Transport& internet = *config->transport("internet");
  CHECK(internet.key() == "internet");
  CHECK(internet.hosts.empty());
  CHECK(internet.port == 2525);
  CHECK(internet.connections == 7);
  CHECK(internet.timeouts.data_end == 10min);
}

TEST_CASE("two groups with the same first domain, and one with a file, have keys of their own") {
  auto config = good_domains(R"(domain_settings = ( { domains = [ "a.test" ]; port = 26; }, { domains = [ "a.test", "b.test" ]; port = 27; },
    { domains = [ "file:/etc/partners" ]; port = 28; }, { domains = [ "*" ]; port = 29; } );)");
  std::vector<std::string> keys;
  for (const DomainSettings& group : config->domain_settings) keys.push_back(group.transport("internet")->key());
  CHECK(keys == std::vector<std::string>{"internet(a.test)", "internet(a.test#2)", "internet(#3)", "internet(*)"});
}

TEST_CASE("what follows from a transport's settings follows from the group's") {
  auto config = good_domains(R"(transports = {
    mailbox = { kind = "mbox"; path = "/m"; };
    smart = { kind = "smtp"; hosts = [ "[192.0.2.1]:465" ]; credentials = "/s"; auth_mechanisms = [ "PLAIN" ]; };
  };
  routes = ( { name = "all"; domains = [ "*" ]; transport = "smart"; } );
  domain_settings = ( { domains = [ "a.test" ]; credentials = ""; }, { domains = [ "b.test" ]; hosts = [ "[192.0.2.2]:587" ]; },
                      { domains = [ "c.test" ]; hosts = [ ]; credentials = ""; }, { domains = [ "d.test" ]; source_address = "2001:db8::7"; } );)");
  auto of = [&](std::size_t i) { return *config->domain_settings[i].transport("smart"); };
  CHECK(config->transport("smart")->tls == ClientTls::verify);
  CHECK(config->transport("smart")->tls_implicit);
  CHECK(of(0).tls == ClientTls::opportunistic);          // nobody logs in any more
  CHECK(of(0).auth_mechanisms.empty());
  CHECK(of(0).tls_implicit);
  CHECK(of(1).tls == ClientTls::verify);
  CHECK_FALSE(of(1).tls_implicit);
  CHECK(of(2).by_mx());
  CHECK_FALSE(of(2).tls_implicit);
  CHECK(of(3).source_address == "");
  CHECK(of(3).source_address6 == "2001:db8::7");
}

TEST_CASE("smart_host is the hosts of smtp transports that name none") {
  auto config = good_domains(R"(smart_host = [ "Smart.isp.test", "[192.0.2.1]:587" ]; direct_first = true;
  transports = {
    mailbox = { kind = "mbox"; path = "/m"; };
    internet = { kind = "smtp"; };
    sure = { kind = "smtp"; direct_first = false; port = 26; };
    special = { kind = "smtp"; hosts = [ "[192.0.2.3]" ]; };
    mx = { kind = "smtp"; hosts = [ ]; };
  };
  domain_settings = ( { domains = [ "near.test" ]; hosts = [ ]; }, { domains = [ "never.test" ]; direct_first = false; } );)");
  auto of = [&](const char* name) { return *config->transport(name); };
  CHECK(of("internet").hosts == std::vector<std::string>{"smart.isp.test:25", "[192.0.2.1]:587"});
  CHECK(of("internet").direct_first);
  CHECK(of("sure").hosts == std::vector<std::string>{"smart.isp.test:26", "[192.0.2.1]:587"});
  CHECK_FALSE(of("sure").direct_first);
  CHECK(of("special").hosts == std::vector<std::string>{"[192.0.2.3]:25"});
  CHECK_FALSE(of("special").direct_first);
  CHECK(of("mx").hosts.empty());
  CHECK_FALSE(of("mx").direct_first);
  const Transport& near = *config->domain_settings[0].transport("internet");
  CHECK(near.hosts.empty());
  CHECK_FALSE(near.direct_first);
  const Transport& never = *config->domain_settings[1].transport("internet");
  CHECK(never.hosts.size() == 2);
  CHECK_FALSE(never.direct_first);
  // Without transports in the file, too.
  CHECK(good_domains(R"(smart_host = [ "smart.isp.test" ];)")->transport("internet")->hosts == std::vector<std::string>{"smart.isp.test:25"});
}

TEST_CASE("with direct_first only the smart host is logged in at, so TLS is not demanded of everybody") {
  auto config = good_domains(R"(transports = { mailbox = { kind = "mbox"; path = "/m"; };
    internet = { kind = "smtp"; hosts = [ "smart.isp.test:465" ]; direct_first = true; credentials = "/s"; }; };)");
  CHECK(config->transport("internet")->tls == ClientTls::opportunistic);
  CHECK(config->transport("internet")->tls_implicit);
}

TEST_CASE("relay = true puts domains into @relay_to") {
  auto config = good_domains(R"(domains = { relay_to = [ "old.test" ]; };
  domain_settings = ( { domains = [ "a.test", "old.test" ]; relay = true; }, { domains = [ "b.test" ]; relay = false; } );
  routes = ( { name = "r"; domains = [ "@relay_to" ]; transport = "internet"; } );)");
  CHECK(config->domains.relay_to == std::vector<std::string>{"old.test", "a.test"});
  CHECK(config->routes[0].domains == std::vector<std::string>{"old.test", "a.test"});
}

TEST_CASE("what does not go together is told once, where it stands") {
  struct Row {
    const char* text;
    std::vector<std::string> problems;
  };
  const std::vector<Row> rows = {
    {"direct_first = true;", {"/d/mansio.conf:2: direct_first: smart_host is missing, and without one all mail goes to the MX hosts of its domain: leave this out"}},
    {"smart_host = [ \"unix:/x\" ];",
     {"/d/mansio.conf:2: smart_host[0]: a unix socket is for lmtp: write kind = \"lmtp\", or a host"}},
    {"domain_settings = ( { domains = [ ]; } );", {"/d/mansio.conf:2: domain_settings[0].domains: it names no domain"}},
    {"domain_settings = ( { domains = [ \"*\" ]; relay = true; } );",
     {"/d/mansio.conf:2: domain_settings[0].relay: for \"*\" this would be an open relay: name the domains"}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; hosts = [ \"a b\" ]; } );", {"?"}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; direct_first = true; } );",
     {"/d/mansio.conf:2: domain_settings[0].direct_first: there are no hosts to try after those of the domain: give hosts or smart_host, or leave this out"}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; hello = \"helo\"; credentials = \"/s\"; } );",
     {"/d/mansio.conf:2: domain_settings[0].hello: after HELO nobody can log in (RFC 5321 §4.1.1.1), but there are credentials: write \"ehlo\", or leave the credentials out"}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; hello = \"helo\"; tls = \"required\"; } );",
     {"/d/mansio.conf:2: domain_settings[0].hello: after HELO there is no STARTTLS, but tls demands it: write \"ehlo\", or tls = \"none\""}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; helo_name = \"short\"; } );",
     {"/d/mansio.conf:2: domain_settings[0].helo_name: \"short\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\""}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; source_address = \"eth0\"; } );",
     {"/d/mansio.conf:2: domain_settings[0].source_address: \"eth0\" is no address: write the address of an interface, such as \"192.0.2.1\""}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; credentials = \"/s\"; tls = \"none\"; } );",
     {"/d/mansio.conf:2: domain_settings[0].credentials: without TLS anybody on the way can read the password: write tls = \"verify\", or auth_unverified = true if that may be"}},
    {"domain_settings = ( { domains = [ \"a.test\" ]; retry = \"soon\"; } );", {"?"}},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    auto found = domain_problems(row.text);
    if (row.problems == std::vector<std::string>{"?"}) CHECK(found.size() == 1);
    else CHECK(found == row.problems);
  }
  // A transport's own trouble is its own, though each group has a copy of it.
  CHECK(domain_problems(R"(transports = { mailbox = { kind = "mbox"; path = "/m"; }; internet = { kind = "smtp"; helo_name = "x"; }; };
    domain_settings = ( { domains = [ "a.test" ]; port = 26; }, { domains = [ "b.test" ]; port = 27; } );)").size() == 1);
}

}  // namespace mansio::config
