#include <algorithm>

#include "base/path_template.hpp"
#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/match.hpp"
#include "config/next_hop.hpp"
#include "config/settings.hpp"
#include "config/value.hpp"

namespace mansio::config {

// A setting of another kind would be silently without effect.
void Checker::kinds_of(const Transport& transport, const std::string& path) {
  static const std::vector<std::string_view> kind_names = split(find_setting("transports.*.kind")->words, ' ');
  if (!places_.has(path + ".kind")) return;
  std::string_view kind = kind_names.at(static_cast<std::size_t>(transport.kind));
  for (const Setting& setting : settings()) {
    static constexpr std::string_view every = "transports.*";
    if (!setting.path.starts_with(every) || setting.kinds.empty()) continue;
    std::string leaf = path + std::string(setting.path.substr(every.size()));
    auto kinds = split(setting.kinds, ' ');
    if (places_.has(leaf) && std::ranges::find(kinds, kind) == kinds.end()) {
      problem(leaf, fmt::format("a transport of kind \"{}\" has no such setting", kind));
    }
  }
}

// The hosts of a list, each brought to one form.
void Checker::hosts(const Transport& transport, std::string_view leaf, std::vector<std::string>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::string path = fmt::format("transports.{}.{}[{}]", transport.name, leaf, i);
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

void Checker::source_addresses(Transport& transport) {
  std::string path = "transports." + transport.name;
  for (auto [leaf, value] : {std::pair{".source_address", &transport.source_address}, {".source_address6", &transport.source_address6}}) {
    if (value->empty() || Network::parse_address(*value)) continue;
    problem(path + leaf, fmt::format("\"{}\" is no address: write the address of an interface, such as \"192.0.2.1\"", escape(*value, 60)));
    value->clear();
  }
  if (!transport.source_address6.empty() && transport.source_address6.find(':') == std::string::npos) {
    problem(path + ".source_address6", "it is an IPv4 address: give it as source_address");
  }
  if (transport.source_address.find(':') == std::string::npos) return;
  if (transport.source_address6.empty()) std::swap(transport.source_address, transport.source_address6);
  else problem(path + ".source_address", "it is an IPv6 address, and so is source_address6: give an IPv4 address here, or leave one out");
}

// RFC 8314 §3.3: port 465 begins with TLS. One answer for the whole transport, so that no host gets the wrong one.
void Checker::remote_tls(Transport& transport) {
  std::string path = "transports." + transport.name;
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
  if (transport.hosts.empty()) count(transport.port);
  if (!places_.has(path + ".tls_implicit")) {
    transport.tls_implicit = implicit > 0 && implicit == hosts;
    if (implicit > 0 && implicit < hosts) {
      problem(path, "some of its hosts are on port 465, where TLS comes first, and others are not: make two transports, or write tls_implicit");
    }
  }
  if (!transport.credentials.empty() && !transport.auth_unverified && hosts > 0 && !places_.has(path + ".tls")) transport.tls = ClientTls::verify;
  if (transport.tls_implicit && transport.tls == ClientTls::none) {
    problem(path + ".tls", "\"none\" does not go with TLS from the first byte (tls_implicit, port 465): write \"required\" or \"verify\"");
  }
  const CertificateFiles& files = transport.tls_certificate;
  if (files.certificate.empty() != files.key.empty()) problem(path, "tls_certificate and tls_key come together, but one is missing");
}

// A password must not go to anybody else than the host it is for.
void Checker::remote_auth(Transport& transport) {
  std::string path = "transports." + transport.name;
  mechanisms(path + ".auth_mechanisms", transport.auth_mechanisms);
  if (transport.credentials.empty()) {
    if (!transport.auth_mechanisms.empty()) problem(path + ".auth_mechanisms", "credentials are missing, so there is nothing to log in with");
    return;
  }
  if (transport.tls == ClientTls::none && !transport.auth_unverified) {
    problem(path + ".credentials", "without TLS anybody on the way can read the password: write tls = \"verify\", or auth_unverified = true if that may be");
  }
  bool external = std::ranges::find(transport.auth_mechanisms, "EXTERNAL") != transport.auth_mechanisms.end();
  if (external && transport.tls_certificate.certificate.empty()) problem(path + ".auth_mechanisms", "EXTERNAL needs tls_certificate and tls_key");
}

// What only smtp and lmtp have.
void Checker::remote(Transport& transport) {
  std::string path = "transports." + transport.name;
  hosts(transport, "hosts", transport.hosts);
  hosts(transport, "fallback", transport.fallback);
  source_addresses(transport);
  remote_tls(transport);
  remote_auth(transport);
  if (!transport.helo_name.empty()) {                       // RFC 5321 §4.1.1.1, §2.3.5
    auto name = canonical_domain(transport.helo_name);
    bool whole = name && (name->starts_with('[') || name->find('.') != std::string::npos);
    if (whole) transport.helo_name = std::move(*name);
    else problem(path + ".helo_name", fmt::format("\"{}\" is not a full name: write \"mail.example.org\" or a literal such as \"[192.0.2.1]\"", escape(transport.helo_name, 80)));
  }
}

void Checker::transport(Transport& transport) {
  std::string path = "transports." + transport.name;
  kinds_of(transport, path);
  auto needs = [&](std::string_view leaf, bool there) {
    if (!there && places_.has(path + ".kind")) problem(path, fmt::format("\"{}\" is missing", leaf));
  };
  auto well_formed = [&](const std::string& leaf, const std::string& text) {
    if (auto checked = check_template(text); !checked) problem(leaf, checked.error().text());
  };
  switch (transport.kind) {
    case TransportKind::maildir:
    case TransportKind::mbox:
      needs("path", !transport.path.empty());
      well_formed(path + ".path", transport.path);
      break;
    case TransportKind::pipe:
      needs("command", !transport.command.empty());
      for (std::size_t i = 0; i < transport.command.size(); ++i) well_formed(fmt::format("{}.command[{}]", path, i), transport.command[i]);
      if (!transport.command.empty() && !transport.command[0].starts_with('/')) problem(path + ".command", "the program needs its full path");
      break;
    case TransportKind::drop: needs("directory", !transport.directory.empty()); break;
    case TransportKind::lmtp:
      needs("hosts", !transport.hosts.empty());
      remote(transport);
      break;
    case TransportKind::smtp: remote(transport); break;
  }
}

void Checker::transports() {
  if (!places_.has("transports")) {
    Transport& mailbox = config_.transports.emplace_back();
    mailbox.name = "mailbox";
    mailbox.kind = TransportKind::mbox;
    mailbox.path = "/var/mail/{local}";
    Transport& internet = config_.transports.emplace_back();
    internet.name = "internet";
    internet.kind = TransportKind::smtp;
  }
  for (Transport& transport : config_.transports) this->transport(transport);
}

// What a domain's certificates may be called: a name, or ".example.org" for all below it.
void Checker::tls_policies() {
  for (std::size_t i = 0; i < config_.tls_policies.size(); ++i) {
    TlsPolicy& policy = config_.tls_policies[i];
    std::string path = fmt::format("tls_policy[{}]", i);
    patterns(path + ".domains", policy.domains, true);
    if (!policy.names.empty() && policy.tls != ClientTls::verify) problem(path + ".names", "certificates' names count only with tls = \"verify\"");
    for (std::size_t n = 0; n < policy.names.size(); ++n) {
      std::string& name = policy.names[n];
      std::string place = fmt::format("{}.names[{}]", path, n);
      bool below = name.starts_with('.');
      auto canonical = canonical_domain(std::string_view(name).substr(below ? 1 : 0));
      if (!canonical) problem(place, canonical.error().text());
      else if (canonical->starts_with('[') || canonical->find('*') != std::string::npos) problem(place, "expected a name such as \"mail.example.org\", or \".example.org\" for all below it");
      else name = (below ? "." : "") + *canonical;
    }
  }
}

}  // namespace mansio::config
