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
    log = { format = "both"; journal = false; };
    trusted_users = "*";
    sendmail = { extract_addresses_remove_arguments = true; };
    deliver = { agents = 2; }; shutdown_grace = "0s"; delay_warning = "0s";
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
  CHECK(c->trusted_users == Lines{"*"});
  CHECK(c->extract_addresses_remove_arguments);
  CHECK(c->deliver_agents == 2);
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
    {"listeners = ( { role = \"relais\"; } );", "1: listeners[0].role: expected one of \"relay\" \"submission\" \"lmtp\", not \"relais\" (did you mean \"relay\"?)"},
    {"listeners = ( { role = \"lmtp\"; } );", "1: listeners[0].address: LMTP has no access control: give a unix socket or a loopback address"},
    {"listeners = ( { role = \"submission\"; } );", "1: listeners[0].role: \"submission\" is not available yet: it needs AUTH, which this version does not have"},
    {"listeners = ( { auth = true; } );", "1: listeners[0].auth: AUTH is not available yet in this version"},
    {"listeners = ( { tls = \"implicit\"; } );", "1: listeners[0].tls: TLS on a listener is not available yet in this version: leave it out or write \"none\""},
    {"transports = { a = { kind = \"smtp\"; tls = \"verify\"; }; mailbox = { kind = \"mbox\"; path = \"/m/{user}\"; }; internet = { kind = \"smtp\"; }; };",
     "1: transports.a.tls: \"verify\" is not available yet in this version"},
    {"limits = { command_timeout = 30; };", "1: limits.command_timeout: 30 has no unit: write \"30s\" or \"30m\""},
    {"limits = { command_timeout = \"30x\"; };", "1: limits.command_timeout: \"30x\" is no duration: unknown unit (write \"15m\" or \"2h30m\"; units d, h, m, s, ms)"},
    {"limits = { message_size = \"50 Q\"; };", "1: limits.message_size: \"50 Q\" is no size (write \"50M\": a number and K, M, G or T)"},
    {"log = { journal = \"yes\"; };", "1: log.journal: expected true or false, not \"yes\""},
    {"relay_from = [ \"10.0.0.1/8\" ];", "1: relay_from[0]: \"10.0.0.1/8\" has bits after its prefix: did you mean \"10.0.0.0/8\"?"},
    {"relay_from = [ \"10.0.0.0/33\" ];", "1: relay_from[0]: \"10.0.0.0/33\": the part after the / must be a number from 0 to 32"},
    {"domains = { local = [ \"ldap:x\" ]; };", "1: domains.local[0]: \"ldap:x\" is no look-up that this version has: write \"file:/path\""},
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

TEST_CASE("the design's settings of later versions are accepted and checked for type") {
  good(R"(tls = { certificate = "/c.pem"; key = "/k.pem"; }; dns = { servers = [ "127.0.0.1" ]; timeout = "5s"; attempts = 3; };
    auth = { users = "system"; mechanisms = [ "PLAIN" ]; };
    transports = { mailbox = { kind = "maildir"; path = "~/Maildir"; };
      internet = { kind = "smtp"; tls = "opportunistic"; source_address = "192.0.2.1"; helo_name = "x.example"; family = "ipv4"; };
      smart = { kind = "smtp"; hosts = [ "smtp.example.com:587", "[::1]:25" ]; hosts_order = "random"; credentials = "secret"; port = 26; };
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
