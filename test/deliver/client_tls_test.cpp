// What TLS a domain wants, and the contexts that are made for it.
#include <catch2/catch.hpp>

#include "deliver/client_tls.hpp"
#include "known_secrets.hpp"

namespace mansio::deliver {
namespace {

mail::Domain domain_of(const char* text) { return *mail::Domain::parse(text); }

config::TlsPolicy policy_for(std::vector<std::string> domains, config::ClientTls level, std::vector<std::string> names) {
  config::TlsPolicy policy;
  policy.domains = std::move(domains);
  policy.tls = level;
  policy.names = std::move(names);
  return policy;
}

}  // namespace

TEST_CASE("the first policy that matches a domain counts before its transport, but not for LMTP") {
  auto made = std::make_shared<config::Config>();
  made->tls_policies.push_back(policy_for({"bank.test", "*.bank.test"}, config::ClientTls::verify, {"mail.bank.test"}));
  made->tls_policies.push_back(policy_for({"old.bank.test", "old.test"}, config::ClientTls::none, {}));
  config::ConfigPtr config = made;
  config::Transport transport;
  transport.kind = config::TransportKind::smtp;
  transport.tls = config::ClientTls::required;
  TlsPolicies policies;
  struct Row {
    const char* domain;
    const char* key;
    bool by_policy;
  };
  for (const Row& row : {Row{"bank.test", "verify,mail.bank.test", true}, Row{"OLD.bank.test", "verify,mail.bank.test", true}, Row{"old.test", "clear", true},
                         Row{"x.old.test", "required", false}, Row{"other.test", "required", false}, Row{"[192.0.2.1]", "required", false}}) {
    CAPTURE(row.domain);
    TlsDemand demand = policies.demand(config, transport, domain_of(row.domain));
    CHECK(demand.key() == row.key);
    CHECK(demand.by_policy == row.by_policy);
  }
  transport.kind = config::TransportKind::lmtp;
  CHECK(policies.demand(config, transport, domain_of("bank.test")).key() == "required");
}

TEST_CASE("another configuration brings its own policies") {
  auto first = std::make_shared<config::Config>(), second = std::make_shared<config::Config>();
  first->tls_policies.push_back(policy_for({"a.test"}, config::ClientTls::verify, {}));
  config::Transport transport;
  transport.kind = config::TransportKind::smtp;
  TlsPolicies policies;
  CHECK(policies.demand(first, transport, domain_of("a.test")).key() == "verify");
  CHECK(policies.demand(second, transport, domain_of("a.test")).key() == "opportunistic");
  CHECK(policies.demand(first, transport, domain_of("a.test")).key() == "verify");
  CHECK(policies.demand(nullptr, transport, domain_of("a.test")).key() == "opportunistic");
}

TEST_CASE("a context is made once for equal settings, and anew when a file has changed") {
  KnownSecrets secrets;
  ClientTlsContexts contexts(&secrets);
  config::Transport one, same, other;
  other.tls_rules.min_version = "1.3";
  auto first = contexts.get(one);
  REQUIRE(first);
  CHECK(*contexts.get(same) == *first);
  CHECK(*contexts.get(other) != *first);
  ++secrets.now;
  CHECK(*contexts.get(one) != *first);
}

TEST_CASE("a file that can't be used is named, and its contents are not") {
  KnownSecrets secrets;
  ClientTlsContexts contexts(&secrets);
  config::Transport transport;
  transport.tls_authorities = "/etc/authorities.pem";
  auto missing = contexts.get(transport);
  REQUIRE(!missing);
  CHECK(missing.error().text() == "/etc/authorities.pem: No such file");
  secrets.files["/etc/authorities.pem"] = "secret words";
  ++secrets.now;
  auto broken = contexts.get(transport);
  REQUIRE(!broken);
  CHECK(broken.error().text().find("secret words") == std::string::npos);
  config::Transport bad_rules;
  bad_rules.tls_rules.ciphers = "no such cipher";
  CHECK(!contexts.get(bad_rules));
}

TEST_CASE("an address whose handshake failed is remembered, and no other") {
  ClearAddresses clear;
  clear.add("[192.0.2.1]:25");
  CHECK(clear.has("[192.0.2.1]:25"));
  CHECK(!clear.has("[192.0.2.1]:26"));
  for (int i = 0; i < 20'000; ++i) clear.add(std::to_string(i));
  CHECK(clear.has("19999"));
}

}  // namespace mansio::deliver
