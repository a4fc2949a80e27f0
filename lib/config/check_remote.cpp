// Transports to other hosts, and what domain_settings makes of them.
#include <algorithm>

#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/domain_settings.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "config/value.hpp"

namespace mansio::config {

std::string Checker::Origin::at(std::string_view leaf) const {
  std::string of_group = group + std::string(leaf);
  if (!group.empty() && places.has(of_group)) return of_group;
  if (from_smart_host && leaf == ".hosts") return "smart_host";
  if (from_smart_host && leaf == ".direct_first" && !places.has(transport + ".direct_first")) return "direct_first";
  return transport + std::string(leaf);
}

// The hosts of a list, each brought to one form.
void Checker::hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list, const Origin& origin) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string path = fmt::format("{}[{}]", origin.at(leaf), i);
    auto hop = parse_next_hop(list[i]);
    if (!hop) {
      problem(path, hop.error().text());
      continue;
    }
    bool unix_socket = hop->kind == NextHopKind::unix_socket;
    if (unix_socket && transport.kind == TransportKind::smtp) problem(path, "a unix socket is for lmtp: write kind = \"lmtp\", or a host");
    if (unix_socket) hop->name = resolve_path(hop->name, directory());
    // RFC 2033 §5: LMTP is no protocol for port 25.
    if (!unix_socket && transport.kind == TransportKind::lmtp && (hop->port == 0 ? transport.port : hop->port) == 25) {
      problem(path, "LMTP is not spoken on port 25: give the port, as in \"host:24\"");
    }
    list[i] = hop->text(transport.port);
  }
}

void Checker::source_addresses(Transport& transport, const Origin& origin) {
  for (auto [leaf, value] : {std::pair{".source_address", &transport.source_address}, {".source_address6", &transport.source_address6}}) {
    if (value->empty() || Network::parse_address(*value)) continue;
    problem(origin.at(leaf), fmt::format("\"{}\" is no address: write the address of an interface, such as \"192.0.2.1\"", escape(*value, 60)));
    value->clear();
  }
  if (!transport.source_address6.empty() && transport.source_address6.find(':') == std::string::npos) {
    problem(origin.at(".source_address6"), "it is an IPv4 address: give it as source_address");
  }
  if (transport.source_address.find(':') == std::string::npos) return;
  if (transport.source_address6.empty()) std::swap(transport.source_address, transport.source_address6);
  else problem(origin.at(".source_address"), "it is an IPv6 address, and so is source_address6: give an IPv4 address here, or leave one out");
}

// RFC 8314 §3.3: port 465 begins with TLS. One answer for the whole transport, so that no host gets the wrong one.
void Checker::remote_tls(Transport& transport, const Origin& origin) {
  std::size_t implicit = 0, hosts = 0;
  auto count = [&](std::uint16_t port) {
    ++hosts;
    if (port == 465) ++implicit;
  };
  for (const auto& list : {transport.hosts, transport.fallback}) {
    for (const std::string& host : list) {
      if (auto hop = parse_next_hop(host); hop && hop->kind != NextHopKind::unix_socket) count(hop->port == 0 ? transport.port : hop->port);
    }
  }
  if (transport.hosts.empty()) count(transport.port);       // with direct_first, MX hosts never begin with TLS
  if (!origin.has(".tls_implicit")) {
    transport.tls_implicit = implicit > 0 && implicit == hosts;
    if (implicit > 0 && implicit < hosts) {
      problem(origin.transport, "some of its hosts are on port 465, where TLS comes first, and others are not: make two transports, or write tls_implicit");
    }
  }
  // Whoever is found by MX is no host to log in at, and few of them can be verified.
  bool logs_in = !transport.credentials.empty() && !transport.auth_unverified && hosts > 0 && !transport.direct_first;
  if (logs_in && !origin.has(".tls")) transport.tls = ClientTls::verify;
  if (transport.tls_implicit && transport.tls == ClientTls::none) {
    problem(origin.at(".tls"), "\"none\" does not go with TLS from the first byte (tls_implicit, port 465): write \"required\" or \"verify\"");
  }
  const CertificateFiles& files = transport.tls_certificate;
  if (files.certificate.empty() != files.key.empty()) problem(origin.transport, "tls_certificate and tls_key come together, but one is missing");
}

// A password must not go to anybody else than the host it is for.
void Checker::remote_auth(Transport& transport, const Origin& origin) {
  mechanisms(origin.at(".auth_mechanisms"), transport.auth_mechanisms);
  if (transport.credentials.empty()) {
    if (!transport.auth_mechanisms.empty()) problem(origin.at(".auth_mechanisms"), "credentials are missing, so there is nothing to log in with");
    return;
  }
  if (transport.tls == ClientTls::none && !transport.auth_unverified) {
    problem(origin.at(".credentials"), "without TLS anybody on the way can read the password: write tls = \"verify\", or auth_unverified = true if that may be");
  }
  bool external = std::ranges::find(transport.auth_mechanisms, "EXTERNAL") != transport.auth_mechanisms.end();
  if (external && transport.tls_certificate.certificate.empty()) problem(origin.at(".auth_mechanisms"), "EXTERNAL needs tls_certificate and tls_key");
}

void Checker::remote_hello(Transport& transport, const Origin& origin) {
  bool wants_tls = transport.tls == ClientTls::required || transport.tls == ClientTls::verify;
  if (transport.plain_helo && !transport.credentials.empty()) {
    problem(origin.at(".hello"), "after HELO nobody can log in (RFC 5321 §4.1.1.1), but there are credentials: write \"ehlo\", or leave the credentials out");
  } else if (transport.plain_helo && wants_tls && !transport.tls_implicit) {
    problem(origin.at(".hello"), "after HELO there is no STARTTLS, but tls demands it: write \"ehlo\", or tls = \"none\"");
  }
  if (transport.helo_name.empty()) return;
  auto name = canonical_domain(transport.helo_name);        // RFC 5321 §4.1.1.1, §2.3.5
  bool whole = name && (name->starts_with('[') || name->find('.') != std::string::npos);
  if (whole) transport.helo_name = std::move(*name);
  else problem(origin.at(".helo_name"), fmt::format("\"{}\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\"", escape(transport.helo_name, 80)));
}

// What only smtp and lmtp have.
void Checker::remote(Transport& transport, const Origin& origin) {
  hosts(transport, ".hosts", transport.hosts, origin);
  hosts(transport, ".fallback", transport.fallback, origin);
  if (transport.direct_first && transport.hosts.empty() && origin.has(".direct_first")) {
    problem(origin.at(".direct_first"), "there are no hosts to try after those of the domain: give hosts or smart_host, or leave this out");
  }
  source_addresses(transport, origin);
  remote_tls(transport, origin);
  remote_auth(transport, origin);
  remote_hello(transport, origin);
}

// The transport, and each variant of it: all from what the files say, before anything follows from it.
void Checker::remote_variants(Transport& transport) {
  Origin origin{places_, "transports." + transport.name, {}};
  if (transport.kind == TransportKind::smtp && !places_.has(origin.transport + ".hosts") && !config_.smart_host.empty()) {
    origin.from_smart_host = true;
    transport.hosts = config_.smart_host;
    if (!places_.has(origin.transport + ".direct_first")) transport.direct_first = config_.direct_first;
  }
  for (std::size_t i = 0; i < config_.domain_settings.size(); ++i) {
    auto variant = variant_of(transport, config_.domain_settings, i);
    if (!variant) continue;
    Origin both = origin;
    both.group = fmt::format("domain_settings[{}]", i);
    if (variant->hosts.empty() && !places_.has(both.group + ".direct_first")) variant->direct_first = false;
    remote(*variant, both);
    config_.domain_settings[i].variants.push_back(std::move(*variant));
  }
  remote(transport, origin);
}

}  // namespace mansio::config
