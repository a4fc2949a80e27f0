// Kerberos, what each listener says of log-ins, operators, and instances.
#include <catch2/catch.hpp>

#include "config/instance.hpp"
#include "config/reader.hpp"

namespace mansio::config {
namespace {

// The one mistake's text, "" for none.
std::string wrong(const std::string& text, const std::string& instance = {}) {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1;\n" + text}}, {"mail.example.org", "example.org", "", instance});
  if (config) return {};
  REQUIRE(config.error().size() == 1);
  return config.error().front().text;
}

ConfigPtr right(const std::string& text, const std::string& instance = {}) {
  auto config = parse({{"/etc/mansio/mansio.conf", "version = 1;\n" + text}}, {"mail.example.org", "example.org", "", instance});
  if (!config) for (const Problem& p : config.error()) UNSCOPED_INFO(p.message());
  REQUIRE(config);
  return *config;
}

const std::string keytab = "auth = { kerberos = { keytab = \"smtp.keytab\"; }; };", tls = "tls = { certificate = \"c\"; key = \"k\"; };",
                  pam = "auth = { users = \"pam\"; };" + tls;

std::string listener(const std::string& text) { return "listeners = ( { " + text + " } );"; }

}  // namespace

TEST_CASE("who must log in where, unless it is said") {
  struct Row {
    std::string listener;
    bool auth, required;
  };
  for (const auto& [text, auth, required] : {
           Row{"", false, false},
           Row{"auth = true;", true, false},
           Row{"auth_required = true;", true, true},
           Row{"role = \"submission\";", true, true},
           Row{"role = \"submission\"; auth_required = false;", true, false},
           Row{"role = \"submission\"; auth = false; auth_required = false;", false, false},
           Row{"role = \"submission\"; address = \"unix:/s\";", true, false},
           Row{"role = \"submission\"; address = \"unix:/s\"; auth_required = true;", true, true},
           Row{"role = \"lmtp\"; address = \"unix:/s\";", false, false},
       }) {
    INFO(text);
    const Listener one = right(pam + listener(text))->listeners.at(0);
    CHECK(one.auth == auth);
    CHECK(one.auth_required == required);
  }
  // Without any users, only what needs none.
  CHECK(right(listener("role = \"submission\"; auth_required = false;"))->listeners.at(0).auth == false);
}

TEST_CASE("what contradicts itself about log-ins is told") {
  const std::string nobody = "nobody could log in: write auth = { users = \"pam\"; }, or \"passwd-file:/path\" or \"dovecot:/path\"";
  struct Row {
    std::string text, said;
  };
  for (const auto& [text, said] : {
           Row{listener("auth_required = true;"), "listeners[0].auth_required: " + nobody},
           Row{pam + listener("auth_required = true; auth = false;"), "listeners[0].auth: auth_required = true asks clients to log in, which this forbids"},
           Row{pam + listener("role = \"lmtp\"; address = \"unix:/s\"; auth_required = true;"), "listeners[0].auth_required: LMTP has no log-ins"},
           Row{pam + listener("auth_mechanisms = [ \"PLAIN\" ];"), "listeners[0].auth_mechanisms: clients can't log in here: write auth = true"},
           Row{pam + listener("auth = true; auth_mechanisms = [ \"GSSAPI\" ];"), "listeners[0].auth_mechanisms[0]: GSSAPI needs auth.kerberos.keytab, the keys of this server"},
           Row{pam + listener("auth = true; auth_mechanisms = [ \"PLAN\" ];"), "listeners[0].auth_mechanisms[0]: unknown mechanism \"PLAN\" (did you mean \"PLAIN\"?)"},
           Row{pam + listener("auth = true; auth_mechanisms = [ \"SCRAM-SHA-256\" ];"), "listeners[0].auth_mechanisms[0]: SCRAM-SHA-256 needs users = \"passwd-file:...\", not \"pam\""},
           Row{keytab + tls + listener("auth = true; auth_mechanisms = [ \"PLAIN\" ];"), "listeners[0].auth_mechanisms[0]: PLAIN needs auth.users, who have passwords or tokens"},
           Row{"auth = { kerberos = { realms = [ \"EX.TEST\" ]; }; };", "auth.kerberos: \"keytab\" is missing, the file with the keys of this server"},
           Row{"auth = { kerberos = { keytab = \"k\"; realms = [ \"a@b\" ]; }; };", "auth.kerberos.realms[0]: \"a@b\" is no realm: write \"EXAMPLE.ORG\""},
           Row{"auth = { kerberos = { keytab = \"k\"; principal = \"smtp\"; }; };",
               "auth.kerberos.principal: expected the name of a service, such as \"smtp/mail.example.org@EXAMPLE.ORG\""},
           Row{"transports = { mailbox = { kind = \"mbox\"; path = \"/m\"; }; internet = { kind = \"smtp\"; credentials = \"c\"; auth_mechanisms = [ \"GSSAPI\" ]; }; };",
               "transports.internet.auth_mechanisms[0]: unknown mechanism \"GSSAPI\": there are EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN"},
       }) {
    INFO(text);
    CHECK(wrong(text) == said);
  }
}

TEST_CASE("Kerberos alone lets users log in, with and without TLS") {
  ConfigPtr c = right(keytab + listener("role = \"submission\"; auth_mechanisms = [ \"gssapi\" ];"));
  CHECK(c->auth.kerberos.keytab == "/etc/mansio/smtp.keytab");
  CHECK(c->listeners.at(0).auth == true);
  CHECK(c->listeners.at(0).auth_mechanisms == std::vector<std::string>{"GSSAPI"});
  CHECK(right(keytab + listener("role = \"submission\";"))->listeners.at(0).auth_mechanisms.empty());
  CHECK(wrong(listener("role = \"submission\"; auth_mechanisms = [ \"PLAIN\" ];") + "auth = { users = \"pam\"; kerberos = { keytab = \"k\"; }; };") ==
        "listeners[0]: nobody could log in: without TLS no password may be sent. Give tls.certificate and tls.key, or auth = false for this listener");
}

TEST_CASE("operators are users, or groups behind an @") {
  ConfigPtr c = right("control = { admins = [ \"anna\", \"@wheel\" ]; readers = [ \"desk\" ]; };");
  CHECK(c->control_admins == std::vector<std::string>{"anna", "@wheel"});
  CHECK(c->control_readers == std::vector<std::string>{"desk"});
  for (const char* name : {"@", "a b", "@@x", "a:b"}) {
    CHECK(wrong("control = { readers = [ \"" + std::string(name) + "\" ]; };") ==
          "control.readers[0]: \"" + std::string(name) + "\" is no name: write \"user\" or \"@group\"");
  }
}

TEST_CASE("an instance has directories of its own where the file names none") {
  ConfigPtr c = right("log_directory = \"/l\";", "branch");
  CHECK(c->instance == "branch");
  CHECK(c->spool_directory == "/var/spool/mansio-branch");
  CHECK(c->run_directory == "/run/mansio-branch");
  CHECK(c->log_directory == "/l");
  CHECK(c->bounces.badmail == "/var/spool/mansio-branch/badmail");
  CHECK(c->fingerprint != right("log_directory = \"/l\";")->fingerprint);
  CHECK(right("")->spool_directory == "/var/spool/mansio");
}

TEST_CASE("a path says whose configuration it is") {
  std::string root(instances_directory());
  REQUIRE(root.ends_with("/mansio"));
  CHECK(config_file_of("") == root + "/mansio.conf");
  CHECK(config_file_of("a-B_9") == root + "/a-B_9/mansio.conf");
  CHECK(instance_of(root + "/a-B_9/mansio.conf") == "a-B_9");
  CHECK(instance_of(root + "/x/../a/./mansio.conf") == "a");
  for (const char* other : {"/mansio.conf", "/a/b/mansio.conf", "/a/other.conf", "//mansio.conf", "/../mansio.conf", "/a b/mansio.conf", "/conf.d/mansio.conf", ""}) {
    CHECK(instance_of(root + other).empty());
  }
  CHECK(instance_of("mansio.conf").empty());
  CHECK(instance_of("/srv/mansio/a/mansio.conf").empty());
  CHECK(is_instance_name(std::string(64, 'a')));
  for (const std::string& name : {std::string(), std::string(65, 'a'), std::string("a.b"), std::string("a/b"), std::string("a\n"), std::string("\xc3\xa4")}) {
    CHECK_FALSE(is_instance_name(name));
  }
}

TEST_CASE("--instance and --config together say which daemon is meant") {
  std::string root(instances_directory());
  struct Row {
    std::string name, file, instance, path;
  };
  for (const auto& [name, file, instance, path] : {
           Row{"", "", "", root + "/mansio.conf"},
           Row{"a", "", "a", root + "/a/mansio.conf"},
           Row{"", root + "/a/mansio.conf", "a", root + "/a/mansio.conf"},
           Row{"a", "/tmp/x.conf", "a", "/tmp/x.conf"},
           Row{"", "/tmp/x.conf", "", "/tmp/x.conf"},
       }) {
    std::string chosen = file;
    CHECK(choose_instance(name, chosen));
    CHECK(chosen == path);
    CHECK(used_instance() == instance);
  }
  std::string other = root + "/b/mansio.conf";
  CHECK_FALSE(choose_instance("a", other));
  CHECK_FALSE(choose_instance("../a", other));
  use_instance("");
  CHECK(unit_of("") == "mansio");
  CHECK(unit_of("a") == "mansio@a");
}

}  // namespace mansio::config
