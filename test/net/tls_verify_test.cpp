#include <catch2/catch.hpp>

#include "net/session_pair.hpp"

namespace mansio::net {
namespace {

TestCertificate for_name(const char* name) { return TestCertificate(name); }

struct Verdict {
  std::string strict, lax;
};

// What a client that verifies says, and what one says that only looks.
Verdict judge(const TestCertificate& wish, const std::vector<std::string>& names) {
  auto server = make_server(wish);
  auto client = make_client(client_options());
  Verdict out;
  TlsRequest request;
  request.names = names;
  SessionPair looks(server, client, request);
  if (!looks.shake()) out.lax = "no handshake: " + looks.client_error;
  else out.lax = looks.client->info().verified ? "verified" : looks.client->info().problem;
  request.verify = true;
  SessionPair checks(server, client, request);
  if (checks.shake()) out.strict = checks.client->info().verified ? "verified" : "let pass";
  else out.strict = checks.client_error;
  return out;
}

const std::string refused = "TLS handshake: certificate verify failed (";

}  // namespace

TEST_CASE("certificates are verified, and their names") {
  auto expired = for_name("mail.example.org"), early = expired, self = expired, strange = expired, wild = for_name("*.example.org");
  expired.until = std::chrono::hours(-1);
  early.from = std::chrono::hours(1);
  self.self_signed = true;
  strange.stranger = true;
  TestCertificate common, address, nul, newline;
  common.common_name = "mail.example.org";
  address.addresses = {"192.0.2.1", "2001:db8::1"};
  nul.names = {std::string("mail.example.org\0.evil.test", 27)};
  newline.names = {"mail.example.org\n"};
  struct Row {
    TestCertificate wish;
    std::vector<std::string> names;
    std::string problem;      // "": none
  };
  const std::vector<Row> rows = {
      {for_name("mail.example.org"), {}, ""},
      {for_name("mail.example.org"), {"mail.example.org"}, ""},
      {for_name("Mail.Example.org"), {"mail.EXAMPLE.org"}, ""},
      {for_name("mail.example.org"), {"other.example.org", "mail.example.org"}, ""},
      {for_name("mail.example.org"), {".example.org"}, ""},
      {for_name("a.b.example.org"), {".example.org"}, ""},
      {for_name("example.org"), {".example.org"}, "hostname mismatch"},
      {for_name("mail.example.org"), {"other.example.org"}, "hostname mismatch"},
      {for_name("mail.example.org"), {"mail.example.org.evil.test"}, "hostname mismatch"},
      {wild, {"mail.example.org"}, ""},
      {wild, {"a.b.example.org"}, "hostname mismatch"},
      {wild, {"example.org"}, "hostname mismatch"},
      {for_name("m*.example.org"), {"mail.example.org"}, "hostname mismatch"},
      {common, {"mail.example.org"}, "hostname mismatch"},      // RFC 9525 §6.4: a common name is none
      {nul, {"mail.example.org"}, "hostname mismatch"},
      {newline, {"mail.example.org"}, "hostname mismatch"},
      {address, {"192.0.2.1"}, ""},
      {address, {"2001:db8::1"}, ""},
      {address, {"192.0.2.2"}, "IP address mismatch"},
      {for_name("192.0.2.1"), {"192.0.2.1"}, "IP address mismatch"},
      {expired, {"mail.example.org"}, "certificate has expired"},
      {early, {"mail.example.org"}, "certificate is not yet valid"},
      {self, {"mail.example.org"}, "self-signed certificate"},
      {strange, {"mail.example.org"}, "unable to get local issuer certificate"},
  };
  for (auto& row : rows) {
    INFO(row.wish.common_name << " " << (row.wish.names.empty() ? "" : row.wish.names[0]) << " " << row.problem);
    auto verdict = judge(row.wish, row.names);
    CHECK(verdict.lax == (row.problem.empty() ? "verified" : row.problem));
    CHECK(verdict.strict == (row.problem.empty() ? "verified" : refused + row.problem + ")"));
  }
}

TEST_CASE("a name that is none is no request, rather than no check") {
  for (std::string name : {std::string(""), std::string("."), std::string("a b"), std::string("mail.example.org\0", 17), std::string(300, 'a')}) {
    TlsRequest request;
    request.names = {name};
    auto made = TlsSession::of(make_client(client_options()), request);
    REQUIRE_FALSE(made);
    CHECK(made.error().fault() == Fault::invalid);
    request = TlsRequest();
    request.server_name = name == "" ? "?" : name;
    if (name != ".") CHECK_FALSE(TlsSession::of(make_client(client_options()), request));
  }
}

TEST_CASE("a self-signed certificate among the authorities is trusted") {
  TestCertificate wish("mail.example.org");
  wish.self_signed = true;
  TlsServerOptions options;
  options.identities.push_back(make_test_identity(wish));
  TlsClientOptions from;
  from.authorities = options.identities.front().chain;
  TlsRequest request;
  request.verify = true;
  request.names = {"mail.example.org"};
  SessionPair pair(make_server(options), make_client(from), request);
  CHECK(pair.shake());
}

TEST_CASE("a client's certificate is asked for, and taken for what it is worth") {
  TestCertificate good("client.example.org"), strange = good, expired = good, odd;
  good.common_name = "client";
  strange.stranger = true;
  expired.until = std::chrono::hours(-1);
  odd.common_name = std::string("a\0b\nc) d\xc3\xa9 ", 11) + std::string(40, 'x');
  struct Row {
    const TestCertificate* wish;
    bool verified;
    std::string problem, subject;
  };
  const Row rows[] = {{nullptr, false, "", ""},
                      {&good, true, "", "CN=client"},
                      {&strange, false, "unable to get local issuer certificate", "CN=test"},
                      {&expired, false, "certificate has expired", "CN=test"},
                      {&odd, true, "", "CN=a\\00b\\0Ac) d\\C3\\A9 " + std::string(40, 'x')}};
  TlsServerOptions options;
  options.identities.push_back(make_test_identity(TestCertificate("mail.example.org")));
  options.ask_certificate = true;
  options.authorities = test_authority();
  for (bool old : {false, true}) {
    for (auto& row : rows) {
      auto from = client_options();
      if (row.wish != nullptr) from.identity = make_test_identity(*row.wish);
      auto client = make_client(from);
      if (old) only_tls12(*client);
      SessionPair pair(make_server(options), client);
      REQUIRE(pair.shake());
      auto& info = pair.server->info();
      CHECK(info.peer_certificate == (row.wish != nullptr));
      CHECK(info.verified == row.verified);
      CHECK(info.problem == row.problem);
      CHECK(info.subject == row.subject);
      CHECK(info.fingerprint.size() == (row.wish != nullptr ? 64 : 0));
    }
  }
}

TEST_CASE("a client that is not asked shows no certificate") {
  auto from = client_options();
  from.identity = make_test_identity(TestCertificate("client.example.org"));
  SessionPair pair(make_server(TestCertificate("mail.example.org")), make_client(from));
  REQUIRE(pair.shake());
  CHECK_FALSE(pair.server->info().peer_certificate);
}

}  // namespace mansio::net
