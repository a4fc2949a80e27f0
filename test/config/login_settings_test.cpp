// Settings of TLS, log-ins and submission, and which of them go together.
#include <catch2/catch.hpp>

#include "config/describe.hpp"
#include "config/reader.hpp"

namespace mansio::config {
namespace {

using Lines = std::vector<std::string>;

std::expected<ConfigPtr, Problems> read_text(const std::string& text) {
  return parse({{"/etc/mansio/mansio.conf", "version = 1; " + text}}, {"mail.example.org", "example.org", ""});
}

Lines mistakes_in(const std::string& text) {
  auto config = read_text(text);
  Lines out;
  if (!config) for (const Problem& p : config.error()) out.push_back(p.text);
  return out;
}

ConfigPtr accepted(const std::string& text) {
  auto config = read_text(text);
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return *config;
}

const std::string certificate = "tls = { certificate = \"c.pem\"; key = \"k.pem\"; }; ";
const std::string two_transports = " mailbox = { kind = \"mbox\"; path = \"/m\"; }; internet = { kind = \"smtp\"; }; }; ";

std::string transport_a(const std::string& settings) { return "transports = { a = { " + settings + " };" + two_transports; }

}  // namespace

TEST_CASE("all settings of TLS are read, and the first certificate is that of tls.certificate") {
  ConfigPtr c = accepted(R"(tls = { certificates = ( { certificate = "2.pem"; key = "2.key"; ocsp = "2.der"; }, { certificate = "3.pem"; key = "3.key"; } );
    certificate = "1.pem"; key = "/1.key"; ocsp = "1.der"; min_version = "1.3"; ciphers = "A"; cipher_suites = "B"; groups = "C"; authorities = "a.pem"; resumption = false; };)");
  REQUIRE(c->tls.certificates.size() == 3);
  CHECK(c->tls.certificates[0].certificate == "/etc/mansio/1.pem");
  CHECK(c->tls.certificates[0].key == "/1.key");
  CHECK(c->tls.certificates[0].staple == "/etc/mansio/1.der");
  CHECK(c->tls.certificates[1].certificate == "/etc/mansio/2.pem");
  CHECK(c->tls.certificates[1].staple == "/etc/mansio/2.der");
  CHECK(c->tls.certificates[2].key == "/etc/mansio/3.key");
  CHECK(c->tls.certificates[2].staple.empty());
  CHECK(c->tls.rules.min_version == "1.3");
  CHECK(c->tls.rules.ciphers == "A");
  CHECK(c->tls.rules.cipher_suites == "B");
  CHECK(c->tls.rules.groups == "C");
  CHECK(c->tls.authorities == "/etc/mansio/a.pem");
  CHECK_FALSE(c->tls.resumption);
  ConfigPtr plain = accepted("");
  CHECK(plain->tls.certificates.empty());
  CHECK(plain->tls.rules.min_version == "1.2");
  CHECK(accepted("tls = { certificates = ( { certificate = \"2.pem\"; key = \"2.key\"; } ); };")->tls.certificates.size() == 1);
}

TEST_CASE("a listener offers STARTTLS as soon as there is a certificate") {
  struct Row {
    std::string listener, text;
    ListenerTls tls;
  };
  const std::string users = "auth = { users = \"passwd-file:u\"; };";
  const Row rows[] = {
    {"", "", ListenerTls::none},
    {"", certificate, ListenerTls::starttls},
    {"tls = \"none\";", certificate, ListenerTls::none},
    {"tls = \"required\";", certificate, ListenerTls::required},
    {"port = 465;", certificate, ListenerTls::starttls},
    {"port = 465; tls = \"implicit\";", certificate, ListenerTls::implicit},
    {"port = 587; role = \"submission\";", users, ListenerTls::none},
    {"port = 587; role = \"submission\";", certificate + users, ListenerTls::starttls},
    {"port = 465; role = \"submission\";", certificate + users, ListenerTls::implicit},
    {"port = 465; role = \"submission\"; tls = \"starttls\";", certificate + users, ListenerTls::starttls},
    {"address = \"unix:/s\"; role = \"submission\";", certificate, ListenerTls::none},
    {"address = \"127.0.0.1\"; role = \"lmtp\";", certificate, ListenerTls::starttls},
  };
  for (const Row& row : rows) {
    INFO(row.listener << " with " << row.text);
    CHECK(accepted("listeners = ( { " + row.listener + " } ); " + row.text)->listeners[0].tls == row.tls);
  }
  CHECK(accepted(certificate)->listeners.at(0).tls == ListenerTls::starttls);        // the listener that nobody wrote
}

TEST_CASE("what a listener does not say of TLS is as tls says it") {
  ConfigPtr c = accepted(R"(tls = { certificate = "c"; key = "k"; min_version = "1.3"; ciphers = "A"; groups = "C"; };
    listeners = ( { port = 1; tls_min_version = "1.2"; tls_cipher_suites = "S"; ask_certificate = true; }, { port = 2; tls_ciphers = "X"; tls_groups = "Y"; } );)");
  const TlsRules &one = c->listeners[0].tls_rules, &two = c->listeners[1].tls_rules;
  CHECK(Lines{one.min_version, one.ciphers, one.cipher_suites, one.groups} == Lines{"1.2", "A", "S", "C"});
  CHECK(Lines{two.min_version, two.ciphers, two.cipher_suites, two.groups} == Lines{"1.3", "X", "", "Y"});
  CHECK(c->listeners[0].ask_certificate);
  CHECK_FALSE(c->listeners[1].ask_certificate);
}

TEST_CASE("all settings of log-ins and submission are read") {
  ConfigPtr c = accepted(R"(auth = { users = "passwd-file:users"; mechanisms = [ "scram-sha-256", "Plain" ]; clear_text = true; certificates = "certs"; tries = 5; delay = "0s"; };
    submission = { hide_client = false; masquerade = "Bücher.Example"; senders = "file:senders"; messages_per_hour = 10; recipients_per_hour = 20; };)");
  CHECK(c->auth.users == AuthUsers::passwd_file);
  CHECK(c->auth.source == "/etc/mansio/users");
  CHECK(c->auth.mechanisms == Lines{"SCRAM-SHA-256", "PLAIN"});
  CHECK(c->auth.clear_text);
  CHECK(c->auth.certificates == "/etc/mansio/certs");
  CHECK(c->auth.tries == 5);
  CHECK(c->auth.delay == Duration{});
  CHECK_FALSE(c->submission.hide_client);
  CHECK(c->submission.masquerade == Lines{"xn--bcher-kva.example"});
  CHECK(c->submission.senders == Senders::table);
  CHECK(c->submission.senders_file == "/etc/mansio/senders");
  CHECK(c->submission.messages_per_hour == 10);
  CHECK(c->submission.recipients_per_hour == 20);
  struct Row {
    std::string text;
    AuthUsers users;
    std::string source;
  };
  for (const Row& row : {Row{"pam", AuthUsers::pam, "mansio"}, {"pam:smtp", AuthUsers::pam, "smtp"}, {"dovecot:/run/a", AuthUsers::dovecot, "/run/a"}}) {
    c = accepted("auth = { users = \"" + row.text + "\"; };");
    CHECK(c->auth.users == row.users);
    CHECK(c->auth.source == row.source);
    CHECK(c->auth.tries == 3);
  }
  CHECK(accepted("submission = { senders = \"own\"; };")->submission.senders == Senders::own);
  CHECK(accepted("")->submission.senders == Senders::any);
}

TEST_CASE("clients log in by default where mail is submitted, when there are users") {
  const std::string users = "auth = { users = \"pam\"; }; " + certificate;
  ConfigPtr c = accepted(users + R"(listeners = ( { }, { port = 587; role = "submission"; }, { port = 26; auth = true; }, { address = "unix:/l"; role = "lmtp"; },
    { address = "unix:/s"; role = "submission"; }, { address = "unix:/t"; role = "submission"; auth = false; } );)");
  std::vector<bool> auth;
  for (const Listener& l : c->listeners) auth.push_back(l.auth.value());
  CHECK(auth == std::vector<bool>{false, true, true, false, true, false});
  CHECK_FALSE(accepted("listeners = ( { address = \"unix:/s\"; role = \"submission\"; } );")->listeners[0].auth.value());
}

TEST_CASE("settings of TLS and log-ins that do not go together are told, with what to write") {
  const std::string nobody = "nobody could log in: write auth = { users = \"pam\"; }, or \"passwd-file:/path\" or \"dovecot:/path\"";
  const std::string no_password = "listeners[0]: nobody could log in: without TLS no password may be sent. Give tls.certificate and tls.key, or auth = false for this listener";
  const std::string users = "expected one of \"passwd-file:PATH\" \"pam\" \"pam:NAME\" \"dovecot:PATH\", not ";
  struct Row {
    std::string text, problem;
  };
  const Row rows[] = {
    {"listeners = ( { tls = \"implicit\"; } );", "listeners[0].tls: TLS needs a certificate: write tls = { certificate = \"/path\"; key = \"/path\"; }"},
    {"auth = { users = \"pam\"; }; listeners = ( { port = 465; role = \"submission\"; } );",
     "listeners[0].tls: TLS needs a certificate: write tls = { certificate = \"/path\"; key = \"/path\"; }"},
    {"listeners = ( { auth = true; } );", "listeners[0].auth: " + nobody},
    {"listeners = ( { role = \"submission\"; } );", "listeners[0].role: \"submission\" needs users that log in: write auth = { users = \"pam\"; }, or \"passwd-file:/path\" or \"dovecot:/path\""},
    {"listeners = ( { role = \"submission\"; auth = false; } ); auth = { users = \"passwd-file:/u\"; };",
     "listeners[0].auth: a submission listener takes mail only from users that log in: leave auth out, or write role = \"relay\""},
    {"listeners = ( { role = \"lmtp\"; address = \"unix:/l\"; auth = true; } );", "listeners[0].auth: LMTP has no log-ins"},
    {"listeners = ( { role = \"submission\"; } ); auth = { users = \"pam\"; };", no_password},
    {"listeners = ( { auth = true; } ); auth = { users = \"passwd-file:/u\"; mechanisms = [ \"LOGIN\" ]; };", no_password},
    {"listeners = ( { ask_certificate = true; } );", "listeners[0].ask_certificate: clients can show one only inside TLS"},
    {"listeners = ( { tls_min_version = \"1.1\"; } );", "listeners[0].tls_min_version: expected one of \"1.2\" \"1.3\", not \"1.1\" (did you mean \"1.2\"?)"},
    {"tls = { certificate = \"c\"; };", "tls: certificate and key come together, but one is missing"},
    {"tls = { certificates = ( { certificate = \"c\"; } ); };", "tls.certificates[0]: \"key\" is missing"},
    {"tls = { ocsp = \"o\"; };", "tls.ocsp: it is for tls.certificate, which is missing"},
    {"tls = { certifcate = \"o\"; };", "unknown setting \"certifcate\" in tls (did you mean \"certificate\"?)"},
    {"auth = { users = \"system\"; };", "auth.users: " + users + "\"system\""},
    {"auth = { users = \"pan\"; };", "auth.users: " + users + "\"pan\" (did you mean \"pam\"?)"},
    {"auth = { users = \"passwdfile:/x\"; };", "auth.users: " + users + "\"passwdfile:/x\" (did you mean \"passwd-file:/x\"?)"},
    {"auth = { users = \"passwd-file:\"; };", "auth.users: " + users + "\"passwd-file:\""},
    {"auth = { users = 5; };", "auth.users: " + users + "the number 5"},
    {"auth = { mechanisms = [ \"PLAIN\" ]; };", "auth: \"users\" is missing: write users = \"passwd-file:/path\", \"pam\" or \"dovecot:/path\""},
    {"auth = { users = \"pam\"; mechanisms = [ \"PLANE\" ]; };", "auth.mechanisms[0]: unknown mechanism \"PLANE\" (did you mean \"PLAIN\"?)"},
    {"auth = { users = \"pam\"; mechanisms = [ \"KERBEROS_V4\" ]; };",
     "auth.mechanisms[0]: unknown mechanism \"KERBEROS_V4\": there are EXTERNAL, GSSAPI, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN"},
    {"auth = { users = \"pam\"; mechanisms = [ \"PLAIN\", \"plain\" ]; };", "auth.mechanisms[1]: \"PLAIN\" is in the list twice"},
    {"auth = { users = \"pam\"; mechanisms = [ \"SCRAM-SHA-256\" ]; };", "auth.mechanisms[0]: SCRAM-SHA-256 needs users = \"passwd-file:...\", not \"pam\""},
    {"auth = { users = \"passwd-file:/u\"; mechanisms = [ \"XOAUTH2\" ]; };", "auth.mechanisms[0]: XOAUTH2 needs users = \"dovecot:...\", not \"passwd-file:\""},
    {certificate + "listeners = ( { ask_certificate = true; } ); auth = { users = \"pam\"; mechanisms = [ \"EXTERNAL\" ]; };",
     "auth.mechanisms[0]: EXTERNAL needs auth.certificates, the file that says which certificate is whose"},
    {"auth = { users = \"pam\"; certificates = \"c\"; mechanisms = [ \"EXTERNAL\" ]; };", "auth.mechanisms[0]: EXTERNAL needs a listener with ask_certificate = true"},
    {"auth = { delay = \"17s\"; };", "auth.delay: 17s is out of range: expected a duration such as \"15m\" from 0s to 16s"},
    {"submission = { senders = \"owns\"; };", "submission.senders: expected one of \"any\" \"own\" \"file:PATH\", not \"owns\" (did you mean \"own\"?)"},
    {"submission = { masquerade = [ \"a b\" ]; };", "submission.masquerade[0]: \"a b\" is no domain: \"a b\" is no label"},
    {"tls_policy = ( { tls = \"verify\"; } );", "tls_policy[0]: \"domains\" is missing"},
    {"tls_policy = ( { domains = [ \"x.example\" ]; tls = \"required\"; names = [ \"a.example\" ]; } );", "tls_policy[0].names: certificates' names count only with tls = \"verify\""},
    {"tls_policy = ( { domains = [ \"x.example\" ]; names = [ \"[192.0.2.1]\" ]; } );",
     "tls_policy[0].names[0]: expected a name such as \"mail.example.org\", or \".example.org\" for all below it"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(mistakes_in(row.text) == Lines{row.problem});
  }
}

TEST_CASE("a listener without TLS may let users log in that need send no password, or where that is allowed") {
  accepted("listeners = ( { role = \"submission\"; } ); auth = { users = \"passwd-file:/u\"; };");
  accepted("listeners = ( { role = \"submission\"; } ); auth = { users = \"pam\"; clear_text = true; };");
  accepted("listeners = ( { role = \"submission\"; address = \"unix:/s\"; } ); auth = { users = \"pam\"; };");
}

TEST_CASE("all settings of a transport's TLS and log-in are read") {
  ConfigPtr c = accepted(transport_a(R"(kind = "smtp"; tls = "required"; tls_min_version = "1.3"; tls_ciphers = "A"; tls_cipher_suites = "B"; tls_groups = "C";
    tls_authorities = "a.pem"; tls_certificate = "c.pem"; tls_key = "k.pem"; tls_implicit = true; credentials = "p"; auth_mechanisms = [ "login", "EXTERNAL" ]; auth_unverified = true;)"));
  const Transport& t = *c->transport("a");
  CHECK(t.tls == ClientTls::required);
  CHECK(t.tls_rules.min_version == "1.3");
  CHECK(t.tls_rules.ciphers == "A");
  CHECK(t.tls_rules.cipher_suites == "B");
  CHECK(t.tls_rules.groups == "C");
  CHECK(t.tls_authorities == "/etc/mansio/a.pem");
  CHECK(t.tls_certificate.certificate == "/etc/mansio/c.pem");
  CHECK(t.tls_certificate.key == "/etc/mansio/k.pem");
  CHECK(t.tls_implicit);
  CHECK(t.credentials == "/etc/mansio/p");
  CHECK(t.auth_mechanisms == Lines{"LOGIN", "EXTERNAL"});
  CHECK(t.auth_unverified);
}

TEST_CASE("a transport that logs in verifies the host, and port 465 begins with TLS") {
  struct Row {
    std::string settings;
    ClientTls tls;
    bool implicit;
  };
  const Row rows[] = {
    {"kind = \"smtp\";", ClientTls::opportunistic, false},
    {"kind = \"smtp\"; credentials = \"p\";", ClientTls::verify, false},
    {"kind = \"smtp\"; credentials = \"\";", ClientTls::opportunistic, false},
    {"kind = \"smtp\"; credentials = \"p\"; tls = \"required\";", ClientTls::required, false},
    {"kind = \"smtp\"; credentials = \"p\"; auth_unverified = true;", ClientTls::opportunistic, false},
    {"kind = \"smtp\"; credentials = \"p\"; auth_unverified = true; tls = \"none\";", ClientTls::none, false},
    {"kind = \"smtp\"; hosts = \"h:465\";", ClientTls::opportunistic, true},
    {"kind = \"smtp\"; hosts = [ \"h\", \"[::1]\" ]; port = 465;", ClientTls::opportunistic, true},
    {"kind = \"smtp\"; hosts = \"h:465\"; tls_implicit = false; tls = \"none\";", ClientTls::none, false},
    {"kind = \"smtp\"; hosts = [ \"h:465\", \"h:25\" ]; tls_implicit = true;", ClientTls::opportunistic, true},
    {"kind = \"smtp\"; port = 465;", ClientTls::opportunistic, true},
    {"kind = \"lmtp\"; hosts = \"unix:/l\"; credentials = \"p\"; auth_unverified = true;", ClientTls::opportunistic, false},
  };
  for (const Row& row : rows) {
    INFO(row.settings);
    ConfigPtr c = accepted(transport_a(row.settings));
    CHECK(c->transport("a")->tls == row.tls);
    CHECK(c->transport("a")->tls_implicit == row.implicit);
  }
}

TEST_CASE("mistakes in a transport's TLS and log-in say what to write") {
  const std::string mixed = "transports.a: some of its hosts are on port 465, where TLS comes first, and others are not: make two transports, or write tls_implicit";
  struct Row {
    std::string settings, problem;
  };
  const Row rows[] = {
    {"kind = \"smtp\"; credentials = \"p\"; tls = \"none\";",
     "transports.a.credentials: without TLS anybody on the way can read the password: write tls = \"verify\", or auth_unverified = true if that may be"},
    {"kind = \"smtp\"; tls_certificate = \"c\";", "transports.a: tls_certificate and tls_key come together, but one is missing"},
    {"kind = \"smtp\"; tls_key = \"c\";", "transports.a: tls_certificate and tls_key come together, but one is missing"},
    {"kind = \"smtp\"; auth_mechanisms = [ \"PLAIN\" ];", "transports.a.auth_mechanisms: credentials are missing, so there is nothing to log in with"},
    {"kind = \"smtp\"; credentials = \"p\"; auth_mechanisms = [ \"PLAIM\" ];", "transports.a.auth_mechanisms[0]: unknown mechanism \"PLAIM\" (did you mean \"PLAIN\"?)"},
    {"kind = \"smtp\"; credentials = \"p\"; auth_mechanisms = [ \"EXTERNAL\" ];", "transports.a.auth_mechanisms: EXTERNAL needs tls_certificate and tls_key"},
    {"kind = \"smtp\"; hosts = [ \"a:465\", \"b:587\" ];", mixed},
    {"kind = \"smtp\"; fallback = \"a:465\";", mixed},
    {"kind = \"smtp\"; hosts = \"a:465\"; tls = \"none\";",
     "transports.a.tls: \"none\" does not go with TLS from the first byte (tls_implicit, port 465): write \"required\" or \"verify\""},
    {"kind = \"smtp\"; tls = \"verfy\";", "transports.a.tls: expected one of \"none\" \"opportunistic\" \"required\" \"verify\", not \"verfy\" (did you mean \"verify\"?)"},
    {"kind = \"mbox\"; path = \"/m\"; credentials = \"p\";", "transports.a.credentials: a transport of kind \"mbox\" has no such setting"},
  };
  for (const Row& row : rows) {
    INFO(row.settings);
    CHECK(mistakes_in(transport_a(row.settings)) == Lines{row.problem});
  }
}

TEST_CASE("a policy of TLS names domains, and what their hosts' certificates may be called") {
  ConfigPtr c = accepted(R"(domains = { local = [ "l.example" ]; }; tls_policy = ( { domains = [ "Partner.example", "*.x.example", "@local" ]; names = [ "Mail.Bücher.example", ".MX.example" ]; },
    { domains = "*"; tls = "required"; } );)");
  REQUIRE(c->tls_policies.size() == 2);
  CHECK(c->tls_policies[0].domains == Lines{"partner.example", "*.x.example", "l.example"});
  CHECK(c->tls_policies[0].tls == ClientTls::verify);
  CHECK(c->tls_policies[0].names == Lines{"mail.xn--bcher-kva.example", ".mx.example"});
  CHECK(c->tls_policies[1].tls == ClientTls::required);
}

}  // namespace mansio::config
