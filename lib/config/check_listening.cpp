#include <algorithm>

#include "base/text.hpp"
#include "config/checker.hpp"
#include "config/match.hpp"
#include "config/value.hpp"

namespace mansio::config {
namespace {

// What is not given in `rules` is as in `general`.
void inherit(TlsRules& rules, const TlsRules& general) {
  for (auto member : {&TlsRules::min_version, &TlsRules::ciphers, &TlsRules::cipher_suites, &TlsRules::groups}) {
    if ((rules.*member).empty()) rules.*member = general.*member;
  }
}

bool is_unix(const Listener& listener) { return listener.address.starts_with("unix:"); }

}  // namespace

void Checker::tls() {
  std::vector<CertificateFiles>& certificates = config_.tls.certificates;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    CertificateFiles& files = certificates[i];
    if (i == 0 && !files.staple.empty() && files.certificate.empty()) problem("tls.ocsp", "it is for tls.certificate, which is missing");
    if (files.certificate.empty() == files.key.empty()) continue;
    std::string path = i == 0 ? "tls" : fmt::format("tls.certificates[{}]", i - 1);
    if (i > 0 && !(places_.has(path + ".certificate") && places_.has(path + ".key"))) continue;    // said already
    problem(path, "certificate and key come together, but one is missing");
  }
  std::erase_if(certificates, [](const CertificateFiles& files) { return files.certificate.empty(); });
}

// design.md §6: STARTTLS is offered as soon as there is a certificate. A unix socket needs none.
void Checker::listener_tls(Listener& listener) {
  const std::string& path = listener.setting;
  bool certificate = !config_.tls.certificates.empty();
  if (!places_.has(path + ".tls")) {
    bool implicit = listener.role == Role::submission && listener.port == 465;       // RFC 8314 §3.3
    if (is_unix(listener)) listener.tls = ListenerTls::none;
    else if (implicit) listener.tls = ListenerTls::implicit;
    else listener.tls = certificate ? ListenerTls::starttls : ListenerTls::none;
  }
  inherit(listener.tls_rules, config_.tls.rules);
  bool told = places_.has("tls.certificate") || places_.has("tls.certificates");
  if (listener.tls != ListenerTls::none && !certificate && !told) {
    problem(path + ".tls", "TLS needs a certificate: write tls = { certificate = \"/path\"; key = \"/path\"; }");
  }
  if (listener.tls == ListenerTls::none && listener.ask_certificate) problem(path + ".ask_certificate", "clients can show one only inside TLS");
}

static bool is_loopback(const std::string& address) {
  static const NetworkList loopback({"127.0.0.0/8", "::1"});
  return loopback.matches(address);
}

void Checker::metrics() {
  std::string& where = config_.metrics_listen;
  if (where.empty()) return;
  if (where.starts_with("unix:")) {
    if (where.size() > 5) where = "unix:" + resolve_path(where.substr(5), directory());
    else problem("metrics.listen", "a path must follow \"unix:\"");
    return;
  }
  auto colon = where.rfind(':');
  std::string address = where.substr(0, colon);
  bool brackets = address.starts_with('[') && address.ends_with(']');
  if (brackets) address = address.substr(1, address.size() - 2);
  auto port = colon == std::string::npos ? std::nullopt : parse_number(std::string_view(where).substr(colon + 1));
  bool is_address = Network::parse_address(address).has_value() && brackets == (address.find(':') != std::string::npos);
  if (!is_address || !port || *port == 0 || *port > 65535) {
    problem("metrics.listen", fmt::format("\"{}\" is no address with a port: write \"127.0.0.1:9125\", \"[::1]:9125\" or \"unix:/path\"", escape(where, 60)));
  } else if (!is_loopback(address)) {
    problem("metrics.listen", "metrics have no access control: give a loopback address or a unix socket");
  }
}

void Checker::listener(Listener& listener) {
  const std::string& path = listener.setting;
  const std::string& address = listener.address;
  auto bits = Network::parse_address(address);
  if (is_unix(listener) ? address.size() <= 5 : address != "*" && !bits) {
    problem(path + ".address", fmt::format("\"{}\" is no address: write \"*\", an IPv4 or IPv6 address, or \"unix:/path\"", escape(address, 60)));
  }
  if (listener.role == Role::lmtp && !is_unix(listener) && !is_loopback(address)) {
    problem(path + ".address", "LMTP has no access control: give a unix socket or a loopback address");
  }
  listener_tls(listener);
  listener_auth(listener);
}

void Checker::listeners() {
  if (!places_.has("listeners")) config_.listeners.emplace_back().setting = "listeners[0]";
  if (config_.listeners.empty() && problems_.empty()) problem("listeners", "it is empty, so no mail could come in: leave it out for port 25 on all addresses");
  std::set<std::string> seen;
  for (Listener& listener : config_.listeners) {
    if (listener.address.starts_with("unix:")) listener.address = "unix:" + resolve_path(listener.address.substr(5), directory());
    this->listener(listener);
    if (listener.port == 0 && !is_unix(listener)) continue;
    std::string socket = is_unix(listener) ? listener.address : fmt::format("{} port {}", listener.address, listener.port);
    if (repeated(seen, socket)) problem(listener.setting, fmt::format("a second listener on {}", socket));
  }
}

void Checker::submission() {
  Submission& submission = config_.submission;
  for (std::size_t i = 0; i < submission.masquerade.size(); ++i) domain(fmt::format("submission.masquerade[{}]", i), submission.masquerade[i]);
}

}  // namespace mansio::config
