#include "config/reader.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "base/file.hpp"

// libconfig 1.5 loses the texts it has read when a syntax error follows; some bytes for each bad file.
extern "C" const char* __lsan_default_suppressions() { return "leak:strbuf_append\n"; }

namespace mansio::config {
namespace {

const MachineFacts facts{"mail.example.org", "example.org", "/etc/aliases"};

// The messages for one file, "N: text" with the line alone.
std::vector<std::string> mistakes(const std::string& text) {
  auto config = parse({{"/etc/mansio/mansio.conf", text}}, facts);
  std::vector<std::string> out;
  if (!config) for (const Problem& p : config.error()) out.push_back(std::to_string(p.line) + ": " + p.text);
  return out;
}

ConfigPtr good(const std::string& text) {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1;\n" + text}}, facts);
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return *config;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a file that says only its version is a whole configuration") {
  ConfigPtr c = good("");
  CHECK(c->host_name == "mail.example.org");
  CHECK(c->mail_name == "example.org");
  CHECK(c->postmaster == "root@example.org");
  CHECK(c->run_as == "mansio");
  CHECK(c->domains.local == Lines{"example.org", "mail.example.org", "localhost"});
  CHECK(c->relay_from == Lines{"127.0.0.0/8", "::1"});
  CHECK(c->aliases == "/etc/aliases");
  REQUIRE(c->listeners.size() == 1);
  CHECK(c->listeners[0].port == 25);
  REQUIRE(c->routes.size() == 2);
  CHECK(c->routes[0].domains == c->domains.local);
  CHECK(c->routes[0].users.kind == UsersKind::system);
  REQUIRE(c->transport("mailbox"));
  CHECK(c->transport("mailbox")->path == "/var/mail/{local}");
  REQUIRE(c->retry.size() == 1);
  CHECK(c->retry[0].schedule.size() == 3);
  CHECK(c->trusted_users == Lines{"root"});
}

TEST_CASE("the fingerprint changes with any text, any file and the machine's names") {
  auto fingerprint = [](std::vector<Source> sources, MachineFacts facts = {}) { return (*parse(sources, facts))->fingerprint; };
  std::string one = fingerprint({{"/etc/m.conf", "version = 1;"}});
  CHECK(one.size() == 16);
  CHECK(one == fingerprint({{"/etc/m.conf", "version = 1;"}}));
  CHECK(one != fingerprint({{"/etc/m.conf", "version = 1; "}}));
  CHECK(one != fingerprint({{"/etc/n.conf", "version = 1;"}}));
  CHECK(one != fingerprint({{"/etc/m.conf", "version = 1;"}, {"/etc/conf.d/a.conf", ""}}));
  MachineFacts other;
  other.host_name = "mx.example.org";
  CHECK(one != fingerprint({{"/etc/m.conf", "version = 1;"}}, other));
}

TEST_CASE("every kind of value is read") {
  ConfigPtr c = good(R"(
    host_name = "MX.Example.NET."; run_as = ""; spool_directory = "spool"; aliases = ""; recipient_delimiter = "";
    listeners = ( { address = "127.0.0.1"; port = 0; }, { address = "unix:lmtp.sock"; role = "lmtp"; } );
    domains = { local = [ "Bücher.example", "*.Example.ORG" ]; alias = ( { from = "a.example"; to = "b.example"; } ); };
    relay_from = [ "192.0.2.0/24", "2001:db8::/32", "file:relays" ];
    limits = { message_size = 5000000000; session_size = "2G"; command_timeout = "1m30s"; recipients = 7; };
    smtp = { bare_newline = "normalize"; };
    transports = { box = { kind = "maildir"; path = "mail/{user}"; }; home = { kind = "maildir"; path = "~/Maildir"; };
                   run = { kind = "pipe"; command = [ "/usr/bin/procmail", "-a", "{detail}" ]; timeout = "20s"; }; };
    routes = ( { name = "a"; domains = [ "@local", "x.example" ]; users = [ "Bob", "alice" ]; transport = "box"; },
               { name = "b"; domains = "*"; users = "passwd-file:users"; transport = "home"; } );
    retry = ( { domains = [ "x.example" ]; schedule = "1s until 10s"; } );
    log = { format = "both"; journal = false; }; metrics = { listen = "unix:metrics.sock"; };
    trusted_users = "*";
    sendmail = { extract_addresses_remove_arguments = true; };
    deliver = { agents = 2; }; mail_processes = 3; system_calls = "off"; shutdown_grace = "0s"; delay_warning = "0s";
  )");
  CHECK(c->host_name == "mx.example.net");
  CHECK(c->run_as.empty());
  CHECK(c->spool_directory == "/etc/mansio/spool");
  CHECK(c->aliases.empty());
  CHECK(c->recipient_delimiter.empty());
  REQUIRE(c->listeners.size() == 2);
  CHECK(c->listeners[0].port == 0);
  CHECK(c->listeners[1].address == "unix:/etc/mansio/lmtp.sock");
  CHECK(c->listeners[1].role == Role::lmtp);
  CHECK(c->listeners[1].setting == "listeners[1]");
  CHECK(c->domains.local == Lines{"xn--bcher-kva.example", "*.example.org"});
  CHECK(c->domains.alias[0].to == "b.example");
  CHECK(c->relay_from == Lines{"192.0.2.0/24", "2001:db8::/32", "file:/etc/mansio/relays"});
  CHECK(c->limits.message_size.bytes() == 5000000000);      // past 32 bits, without an L
  CHECK(c->limits.session_size.bytes() == 2ull << 30);
  CHECK(c->limits.command_timeout == std::chrono::seconds(90));
  CHECK(c->limits.recipients == 7);
  CHECK(c->bare_newline == BareNewline::normalize);
  CHECK(c->transport("box")->path == "/etc/mansio/mail/{user}");
  CHECK(c->transport("home")->path == "~/Maildir");
  CHECK(c->transport("run")->command == Lines{"/usr/bin/procmail", "-a", "{detail}"});
  CHECK(c->transport("run")->timeout == std::chrono::seconds(20));
  CHECK(c->routes[0].domains == Lines{"xn--bcher-kva.example", "*.example.org", "x.example"});
  CHECK(c->routes[0].users.list == Lines{"bob", "alice"});
  CHECK(c->routes[1].domains == Lines{"*"});
  CHECK(c->routes[1].users.passwd_file == "/etc/mansio/users");
  REQUIRE(c->retry.size() == 2);                            // the second is for all other domains
  CHECK(c->retry[0].schedule[0].interval == std::chrono::seconds(1));
  CHECK(c->log_format == LogFormat::both);
  CHECK_FALSE(c->log_journal);
  CHECK(c->metrics_listen == "unix:/etc/mansio/metrics.sock");
  CHECK(c->trusted_users == Lines{"*"});
  CHECK(c->extract_addresses_remove_arguments);
  CHECK(c->deliver_agents == 2);
  CHECK(c->mail_processes == 3);
  CHECK(c->system_calls == SystemCalls::off);
  CHECK(c->shutdown_grace == Duration{});
}

TEST_CASE("each mistake is told with its line and what is meant") {
  struct Row {
    std::string text, problem;
  };
  const Row rows[] = {
    {"listners = ( );", "1: unknown setting \"listners\" (did you mean \"listeners\"?)"},
    {"message_size = \"5M\";", "1: unknown setting \"message_size\" (did you mean \"limits.message_size\"?)"},
    {"limits = { hopps = 3; };", "1: unknown setting \"hopps\" in limits (did you mean \"hops\"?)"},
    {"zebra = 1;", "1: unknown setting \"zebra\""},
    {"host_name = 5;", "1: host_name: expected a text in quotes, not the number 5"},
    {"host_name = \"a b\";", "1: host_name: \"a b\" is no domain: \"a b\" is no label"},
    {"limits = 5;", "1: limits: expected a group { }, not the number 5"},
    {"listeners = { };", "1: listeners: expected a list of groups ( { }, { } ), not a group { }"},
    {"listeners = ( 25 );", "1: listeners[0]: expected a group { }, not the number 25"},
    {"listeners = ( { port = 70000; } );", "1: listeners[0].port: 70000 is out of range: expected a whole number from 0 to 65535"},
    {"listeners = ( { port = \"25\"; } );", "1: listeners[0].port: expected a whole number from 0 to 65535, not \"25\""},
    {"listeners = ( { address = \"1.2.3\"; } );", "1: listeners[0].address: \"1.2.3\" is no address: write \"*\", an IPv4 or IPv6 address, or \"unix:/path\""},
    {"listeners = ( { }, { } );", "1: listeners[1]: a second listener on * port 25"},
    {"listeners = ( { role = \"relais\"; } );", "1: listeners[0].role: expected one of \"relay\" \"submission\" \"lmtp\" \"odmr\", not \"relais\" (did you mean \"relay\"?)"},
    {"listeners = ( { role = \"lmtp\"; } );", "1: listeners[0].address: LMTP has no access control: give a unix socket or a loopback address"},
    {"limits = { command_timeout = 30; };", "1: limits.command_timeout: 30 has no unit: write \"30s\" or \"30m\""},
    {"limits = { command_timeout = \"30x\"; };", "1: limits.command_timeout: \"30x\" is no duration: unknown unit (write \"15m\" or \"2h30m\"; units d, h, m, s, ms)"},
    {"limits = { message_size = \"50 Q\"; };", "1: limits.message_size: \"50 Q\" is no size (write \"50M\": a number and K, M, G or T)"},
    {"log = { journal = \"yes\"; };", "1: log.journal: expected true or false, not \"yes\""},
    {"metrics = { listen = \"0.0.0.0:9125\"; };", "1: metrics.listen: metrics have no access control: give a loopback address or a unix socket"},
    {"metrics = { listen = \"[2001:db8::1]:9125\"; };", "1: metrics.listen: metrics have no access control: give a loopback address or a unix socket"},
    {"metrics = { listen = \"localhost:9125\"; };", "1: metrics.listen: \"localhost:9125\" is no address with a port: write \"127.0.0.1:9125\", \"[::1]:9125\" or \"unix:/path\""},
    {"metrics = { listen = \"127.0.0.1\"; };", "1: metrics.listen: \"127.0.0.1\" is no address with a port: write \"127.0.0.1:9125\", \"[::1]:9125\" or \"unix:/path\""},
    {"metrics = { listen = \"::1:9125\"; };", "1: metrics.listen: \"::1:9125\" is no address with a port: write \"127.0.0.1:9125\", \"[::1]:9125\" or \"unix:/path\""},
    {"metrics = { listen = \"unix:\"; };", "1: metrics.listen: a path must follow \"unix:\""},
    {"relay_from = [ \"10.0.0.1/8\" ];", "1: relay_from[0]: \"10.0.0.1/8\" has bits after its prefix: did you mean \"10.0.0.0/8\"?"},
    {"relay_from = [ \"10.0.0.0/33\" ];", "1: relay_from[0]: \"10.0.0.0/33\": the part after the / must be a number from 0 to 32"},
    {"domains = { local = [ \"ldap:x\" ]; };", "1: domains.local[0]: \"ldap:x\": a directory is asked by routes[].users and alias_look_ups alone; write \"file:/path\" here"},
    {"domains = { local = [ 5 ]; };", "1: domains.local: expected a list of names [ \"a\", \"b\" ], but the number 5 is in the list"},
    {"retry = ( { domains = [ \"*\" ]; schedule = \"soon\"; } );", "1: retry[0].schedule: step \"soon\": \"soon\" is no duration: a number is missing or too large (write \"15m\" or \"2h30m\"; units d, h, m, s, ms)"},
    {"routes = ( { name = \"a\"; domains = [ \"*\" ]; transport = \"mailbux\"; } );", "1: routes[0].transport: there is no transport \"mailbux\" (did you mean \"mailbox\"?)"},
    {"routes = ( { name = \"a\"; domains = [ \"@locl\" ]; transport = \"mailbox\"; } );", "1: routes[0].domains[0]: unknown list \"@locl\" (did you mean \"@local\"?)"},
    {"routes = ( { name = \"a\"; domains = [ \"*\" ]; } );", "1: routes[0]: \"transport\" is missing"},
    {"@include \"/etc/shadow\"", "1: the file holds @include, which is not supported: put the file into conf.d/"},
    {"host_name = \"a.example\";\nrun_as = ;", "2: syntax error (perhaps a bracket or a quote is missing on a line above)"},
    {"host_name = \"a.example\";\nhost_name = \"b.example\";", "2: \"host_name\" is given twice: here and at /etc/mansio/mansio.conf:1"},
    {"host_name = \"a.example;\n", "1: the file holds a text in quotes that does not end"},
    {"recipient_delimiter = \"xy\";", "1: recipient_delimiter: expected one character that is no letter, digit, @ or /"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(mistakes("version = 1; " + row.text) == Lines{row.problem});
  }
}

TEST_CASE("a number that no integer holds is never cut silently") {
  CHECK(mistakes("version = 1; limits = { message_size = 99999999999999999999999; };").at(0) == "1: the number 99999999999999999999999 is too large");
  CHECK(mistakes("version = 1; limits = { hops = 4294967297; };") == Lines{"1: limits.hops: 4294967297 is out of range: expected a whole number from 1 to 10000"});
  CHECK(mistakes("version = 1; limits = { hops = 0x100000001; };").size() == 1);
}

TEST_CASE("a transport's settings must be of its kind and complete") {
  const std::string rest = " mailbox = { kind = \"mbox\"; path = \"/m/{user}\"; }; internet = { kind = \"smtp\"; }; };";
  CHECK(mistakes("version = 1; transports = { a = { kind = \"mbox\"; };" + rest) == Lines{"1: transports.a: \"path\" is missing"});
  CHECK(mistakes("version = 1; transports = { a = { kind = \"smtp\"; path = \"/x\"; };" + rest) ==
        Lines{"1: transports.a.path: a transport of kind \"smtp\" has no such setting"});
  CHECK(mistakes("version = 1; transports = { a = { kind = \"pipe\"; command = [ \"cat\" ]; };" + rest) ==
        Lines{"1: transports.a.command: the program needs its full path"});
  Lines unknown_place = mistakes("version = 1; transports = { a = { kind = \"mbox\"; path = \"/x/{usr}\"; };" + rest);
  REQUIRE(unknown_place.size() == 1);
  CHECK(unknown_place[0].starts_with("1: transports.a.path: unknown place {usr}"));
  CHECK(mistakes("version = 1; transports = { a = { };" + rest) == Lines{"1: transports.a: \"kind\" is missing"});
}

namespace {

// What is wrong with one transport's settings, without "1: transports.a".
Lines remote_mistakes(const std::string& settings) {
  Lines out = mistakes("version = 1; transports = { a = { " + settings + " }; mailbox = { kind = \"mbox\"; path = \"/m/{user}\"; }; internet = { kind = \"smtp\"; }; };");
  for (std::string& line : out) line.erase(0, std::string("1: transports.a").size());
  return out;
}

ConfigPtr with_transport(const std::string& settings) {
  return good("transports = { a = { " + settings + " }; mailbox = { kind = \"mbox\"; path = \"/m/{user}\"; }; internet = { kind = \"smtp\"; }; };");
}

}  // namespace

TEST_CASE("all settings of a transport to other hosts are read") {
  ConfigPtr c = with_transport(R"(kind = "smtp"; hosts = [ "Smtp.Bücher.example", "[192.0.2.1]:26", "mx:example.com", "[IPv6:2001:DB8::1]" ]; hosts_order = "random";
    fallback = "relay.example:587"; port = 2525; source_address = "192.0.2.7"; source_address6 = "2001:db8::7"; helo_name = "Out.example.org"; family = "ipv6";
    connections = 3; messages_per_connection = 4; connection_idle = "0s"; connection_lifetime = "1m"; recipients_per_message = 5;
    timeouts = { connect = "1s"; greeting = "2s"; hello = "3s"; mail = "4s"; rcpt = "5s"; data_init = "6s"; data_block = "7s"; data_end = "8s"; };)");
  const Transport& t = *c->transport("a");
  CHECK(t.hosts == Lines{"smtp.xn--bcher-kva.example:2525", "[192.0.2.1]:26", "mx:example.com:2525", "[2001:db8::1]:2525"});
  CHECK(t.hosts_random);
  CHECK(t.fallback == Lines{"relay.example:587"});
  CHECK(t.port == 2525);
  CHECK(t.source_address == "192.0.2.7");
  CHECK(t.source_address6 == "2001:db8::7");
  CHECK(t.helo_name == "out.example.org");
  CHECK(t.family == Family::ipv6);
  CHECK(t.connections == 3);
  CHECK(t.messages_per_connection == 4);
  CHECK(t.connection_idle == Duration{});
  CHECK(t.connection_lifetime == std::chrono::minutes(1));
  CHECK(t.recipients_per_message == 5);
  const ClientTimes& w = t.timeouts;
  int seconds = 0;
  for (Duration d : {w.connect, w.greeting, w.hello, w.mail, w.rcpt, w.data_init, w.data_block, w.data_end}) CHECK(d == std::chrono::seconds(++seconds));
  CHECK(c->transport("internet")->timeouts.data_end == std::chrono::minutes(10));
}

TEST_CASE("one source address of either family is enough") {
  ConfigPtr c = with_transport(R"(kind = "smtp"; source_address = "2001:db8::7";)");
  CHECK(c->transport("a")->source_address.empty());
  CHECK(c->transport("a")->source_address6 == "2001:db8::7");
}

TEST_CASE("the socket of an LMTP server may be given from the configuration's directory") {
  CHECK(with_transport(R"(kind = "lmtp"; hosts = [ "unix:lmtp.sock", "[::1]:24" ];)")->transport("a")->hosts == Lines{"unix:/etc/mansio/lmtp.sock", "[::1]:24"});
}

TEST_CASE("a mistake in a transport to other hosts says what to write") {
  const std::string no_host = "\" is no host: write \"host\", \"host:port\", \"[address]\", \"[address]:port\", \"mx:domain\" or, for lmtp, \"unix:/path\"";
  struct Row {
    std::string settings, problem;
  };
  const Row rows[] = {
    {R"(kind = "smtp"; hosts = "a b";)", ".hosts[0]: \"a b" + no_host},
    {R"(kind = "smtp"; hosts = [ "ok.example", "h:0" ];)", ".hosts[1]: \"h:0" + no_host},
    {R"(kind = "smtp"; hosts = "h:65536";)", ".hosts[0]: \"h:65536" + no_host},
    {R"(kind = "smtp"; hosts = "h:";)", ".hosts[0]: \"h:" + no_host},
    {R"(kind = "smtp"; hosts = "2001:db8::1";)", ".hosts[0]: \"2001:db8::1" + no_host},
    {R"(kind = "smtp"; hosts = "[h.example]";)", ".hosts[0]: \"[h.example]" + no_host},
    {R"(kind = "smtp"; hosts = "[192.0.2.1";)", ".hosts[0]: \"[192.0.2.1" + no_host},
    {R"(kind = "smtp"; hosts = "mx:[192.0.2.1]";)", ".hosts[0]: \"mx:[192.0.2.1]\": an address has no MX hosts"},
    {R"(kind = "smtp"; fallback = "mx:";)", ".fallback[0]: \"mx:" + no_host},
    {R"(kind = "smtp"; hosts = "unix:/x";)", ".hosts[0]: a unix socket is for lmtp: write kind = \"lmtp\", or a host"},
    {R"(kind = "lmtp"; hosts = "unix:";)", ".hosts[0]: a path must follow \"unix:\""},
    {R"(kind = "lmtp"; hosts = "h.example";)", ".hosts[0]: LMTP is not spoken on port 25: give the port, as in \"host:24\""},
    {R"(kind = "lmtp"; port = 24;)", ": \"hosts\" is missing"},
    {R"(kind = "smtp"; source_address = "eth0";)", ".source_address: \"eth0\" is no address: write the address of an interface, such as \"192.0.2.1\""},
    {R"(kind = "smtp"; source_address6 = "192.0.2.1";)", ".source_address6: it is an IPv4 address: give it as source_address"},
    {R"(kind = "smtp"; source_address = "::1"; source_address6 = "::2";)",
     ".source_address: it is an IPv6 address, and so is source_address6: give an IPv4 address here, or leave one out"},
    {R"(kind = "smtp"; helo_name = "mail";)", ".helo_name: \"mail\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\""},
    {R"(kind = "smtp"; helo_name = "[192.0.2]";)", ".helo_name: \"[192.0.2]\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\""},
    {R"(kind = "smtp"; connections = 0;)", ".connections: 0 is out of range: expected a whole number from 1 to 10000"},
    {R"(kind = "smtp"; timeouts = { data_end = 5; };)", ".timeouts.data_end: 5 has no unit: write \"5s\" or \"5m\""},
    {R"(kind = "mbox"; path = "/x"; family = "ipv4";)", ".family: a transport of kind \"mbox\" has no such setting"},
    {R"(kind = "mbox"; path = "/x"; timeouts = { rcpt = "5s"; };)", ".timeouts.rcpt: a transport of kind \"mbox\" has no such setting"},
  };
  for (const Row& row : rows) {
    INFO(row.settings);
    CHECK(remote_mistakes(row.settings) == Lines{row.problem});
  }
  CHECK(mistakes("version = 1; transports = { a = { kind = \"smtp\"; timeouts = { conect = \"1s\"; }; }; mailbox = { kind = \"mbox\"; path = \"/m/{user}\"; }; "
                 "internet = { kind = \"smtp\"; }; };") == Lines{"1: unknown setting \"conect\" in transports.*.timeouts (did you mean \"connect\"?)"});
}

TEST_CASE("senders of a route are addresses, domains and lists, in one form") {
  ConfigPtr c = good(R"(domains = { local = [ "l.example" ]; relay_to = [ ]; };
    routes = ( { name = "a"; domains = "*"; senders = [ "Boss@Bücher.example", "*.Sub.example", "<>", "@local", "file:s", "*" ]; transport = "internet"; },
               { name = "b"; domains = "*"; transport = "internet"; } );)");
  CHECK(c->routes[0].senders == Lines{"boss@xn--bcher-kva.example", "*.sub.example", "<>", "l.example", "file:/etc/mansio/s", "*"});
  CHECK(c->routes[1].senders.empty());
  auto wrong = [](const std::string& senders) {
    return mistakes("version = 1; routes = ( { name = \"a\"; domains = \"*\"; senders = " + senders + "; transport = \"internet\"; } );");
  };
  const std::string nobody = "1: routes[0].senders: it names no sender, so the route would never be used: leave it out for every sender";
  CHECK(wrong("[ ]") == Lines{nobody});
  CHECK(wrong("[ \"@relay_to\" ]") == Lines{nobody});
  CHECK(wrong("[ \"x\", \"@x.example\" ]") == Lines{"1: routes[0].senders[1]: unknown list \"@x.example\""});
  CHECK(wrong("[ \"a@b@\", \"x\" ]") == Lines{"1: routes[0].senders[0]: \"\" is no domain: it is empty"});
  CHECK(wrong("[ \"ldap:x\", \"x\" ]") == Lines{"1: routes[0].senders[0]: \"ldap:x\": a directory is asked by routes[].users and alias_look_ups alone; write \"file:/path\" here"});
}

TEST_CASE("bounces, name servers and outbound connections are read") {
  ConfigPtr plain = good("spool_directory = \"spool\";");
  CHECK(plain->bounces.badmail == "/etc/mansio/spool/badmail");
  CHECK(plain->bounces.copy_to.empty());
  CHECK(plain->bounces.templates.empty());
  CHECK(plain->outbound_connections == 500);
  CHECK(plain->dns.servers.empty());
  ConfigPtr c = good(R"(bounce_copy_to = "Watch@example.org"; bounce_templates = "texts"; badmail_directory = "bad"; limits = { outbound_connections = 7; };
    dns = { servers = [ "127.0.0.1:5353", "[::1]:5353", "192.0.2.1", "2001:db8::1" ]; timeout = "1s"; attempts = 2; };)");
  CHECK(c->bounces.copy_to == "Watch@example.org");
  CHECK(c->bounces.templates == "/etc/mansio/texts");
  CHECK(c->bounces.badmail == "/etc/mansio/bad");
  CHECK(c->outbound_connections == 7);
  CHECK(c->dns.servers == Lines{"127.0.0.1:5353", "[::1]:5353", "192.0.2.1", "2001:db8::1"});
  CHECK(c->dns.timeout == std::chrono::seconds(1));
  CHECK(c->dns.attempts == 2);
  CHECK(mistakes("version = 1; dns = { servers = [ \"ns.example\" ]; };") ==
        Lines{"1: dns.servers[0]: \"ns.example\" is no address: write \"192.0.2.1\", \"192.0.2.1:5353\" or \"[2001:db8::1]:5353\""});
  CHECK(mistakes("version = 1; bounce_copy_to = \"watch\";") == Lines{"1: bounce_copy_to: expected an address such as \"postmaster@example.org\""});
  CHECK(mistakes("version = 1; badmail_directory = \"\";") == Lines{"1: badmail_directory: it is empty"});
}

TEST_CASE("the version must be given and known") {
  CHECK(mistakes("") == Lines{"1: version is missing: write \"version = 1;\" at the top"});
  CHECK(mistakes("version = 2;") == Lines{"1: version: expected 1, not 2"});
}

TEST_CASE("all mistakes of all files come in one run, in the order of files and lines") {
  auto config = parse({{"/e/mansio.conf", "version = 1;\nhost_name = 1;\nlimits = {\n  hops = \"x\";\n  hopps = 1;\n};\nrun_as = \"a\";\nrun_as = \"b\";\n"},
                       {"/e/conf.d/a.conf", "bad bad\n"},
                       {"/e/conf.d/b.conf", "host_name = \"x.example\";\nzzz = 1;\n"}}, facts);
  REQUIRE_FALSE(config);
  Lines places;
  for (const Problem& p : config.error()) places.push_back(p.file + ":" + std::to_string(p.line));
  CHECK(places == Lines{"/e/mansio.conf:2", "/e/mansio.conf:4", "/e/mansio.conf:5", "/e/mansio.conf:8", "/e/conf.d/a.conf:1",
                        "/e/conf.d/b.conf:1", "/e/conf.d/b.conf:2"});
  CHECK(config.error()[5].message() == "/e/conf.d/b.conf:1: \"host_name\" is given twice: here and at /e/mansio.conf:2");
}

TEST_CASE("a group may be continued in another file, a setting and a transport not") {
  auto config = parse({{"/e/mansio.conf", "version = 1; limits = { hops = 3; };"}, {"/e/conf.d/a.conf", "limits = { errors = 4; };"}}, facts);
  REQUIRE(config);
  CHECK((*config)->limits.hops == 3);
  CHECK((*config)->limits.errors == 4);
  config = parse({{"/e/mansio.conf", "version = 1; limits = { hops = 3; };"}, {"/e/conf.d/a.conf", "\nlimits = { hops = 4; };"}}, facts);
  REQUIRE_FALSE(config);
  REQUIRE(config.error().size() == 1);
  CHECK(config.error()[0].message() == "/e/conf.d/a.conf:2: \"limits.hops\" is given twice: here and at /e/mansio.conf:1");
}

TEST_CASE("a NUL byte does not end the file silently") {
  std::string text = "version = 1;\n#";
  text += '\0';
  text += "\nnonsense";
  CHECK(mistakes(text) == Lines{"2: the file holds a NUL byte"});
  CHECK(mistakes("version = 1; run_as = \"a\\x00b\";") == Lines{"1: the file holds a NUL byte"});
}

TEST_CASE("a damaged file is told and never ends the program") {
  const std::string text = R"(version = 1; listeners = ( { port = 0; } ); limits = { hops = 0x10; message_size = "5M"; }; # c
    transports = { a = { kind = "pipe"; command = [ "/bin/x" ]; }; }; /* d */ routes = ( { name = "r"; domains = "*"; transport = "a"; } );)";
  std::minstd_rand random(7);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = text;
    for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = "{}()[]=;\",\\9x@#*L\n"[random() % 19];
    auto config = parse({{"/e/mansio.conf", damaged}}, facts);
    if (config) continue;
    ++refused;
    CHECK_FALSE(config.error().empty());
  }
  CHECK(refused > 2000);
}

TEST_CASE("comments and strings may hold what looks like a setting") {
  ConfigPtr c = good("/* host_name = 1; \n @include */ # host_name\n// host_name = 2;\nhost_name = \"x.example\"; run_as = \"a-host_name\"; relay_from = [ ];");
  CHECK(c->host_name == "x.example");
  CHECK(c->relay_from.empty());
}

TEST_CASE("the design's example is a configuration") {
  good(R"(tls = { certificate = "/c.pem"; key = "/k.pem"; }; dns = { servers = [ "127.0.0.1" ]; timeout = "5s"; attempts = 3; };
    auth = { users = "passwd-file:/u"; mechanisms = [ "PLAIN" ]; };
    listeners = ( { address = "*"; port = 25; role = "relay"; }, { address = "*"; port = 587; role = "submission"; tls = "required"; },
      { address = "*"; port = 465; role = "submission"; tls = "implicit"; } );
    transports = { mailbox = { kind = "maildir"; path = "~/Maildir"; };
      internet = { kind = "smtp"; tls = "opportunistic"; source_address = "192.0.2.1"; helo_name = "x.example"; family = "ipv4"; };
      smart = { kind = "smtp"; hosts = [ "smtp.example.com:587", "[::1]:25" ]; hosts_order = "random"; tls = "verify"; credentials = "/s"; port = 26; };
      drop = { kind = "drop"; directory = "/var/spool/drop"; }; lmtp = { kind = "lmtp"; hosts = [ "unix:/run/dovecot/lmtp" ]; }; };)");
  CHECK(mistakes("version = 1; dns = { attempts = \"3\"; };") == Lines{"1: dns.attempts: expected a whole number from 1 to 10, not \"3\""});
}

TEST_CASE("files are the main file and conf.d/*.conf beside it in name order") {
  auto root = std::filesystem::temp_directory_path() / ("mansio-config-" + std::to_string(::getpid()));
  std::filesystem::create_directories(root / "conf.d");
  for (auto [name, text] : {std::pair{"mansio.conf", "version = 1; host_name = \"h.example\";"}, {"conf.d/20.conf", "run_as = \"\";"},
                            {"conf.d/10.conf", "mail_name = \"m.example\";"}, {"conf.d/.30.conf", "x"}, {"conf.d/40.conf.bak", "x"}}) {
    REQUIRE(replace_file((root / name).string(), text, 0600));
  }
  auto sources = read_sources((root / "mansio.conf").string());
  REQUIRE(sources);
  REQUIRE(sources->size() == 3);
  CHECK((*sources)[1].file == (root / "conf.d/10.conf").string());
  auto config = load((root / "mansio.conf").string());
  REQUIRE(config);
  CHECK((*config)->mail_name == "m.example");
  std::filesystem::remove_all(root);
  auto missing = load((root / "mansio.conf").string());
  REQUIRE_FALSE(missing);
  REQUIRE(missing.error().size() == 1);
  CHECK(missing.error()[0].message().find("No such file") != std::string::npos);
}

}  // namespace mansio::config
