#include "services.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "crypto/secret.hpp"

namespace mansio::daemon {
namespace {

constexpr int few_days = 14;

net::TlsRules rules_of(const config::TlsRules& of_listener, const config::TlsRules& general) {
  auto either = [](const std::string& first, const std::string& second) { return first.empty() ? second : first; };
  net::TlsRules rules;
  if (either(of_listener.min_version, general.min_version) == "1.3") rules.least = net::TlsVersion::tls13;
  rules.ciphers = either(of_listener.ciphers, general.ciphers);
  rules.cipher_suites = either(of_listener.cipher_suites, general.cipher_suites);
  rules.groups = either(of_listener.groups, general.groups);
  return rules;
}

// The bytes of `path`, or a problem.
std::string text_of(const Secrets& secrets, const std::string& path, std::string& problem) {
  if (path.empty() || !problem.empty()) return {};
  const std::string* bytes = secrets.find(path);
  if (bytes == nullptr) problem = secrets.problem(path);
  return bytes == nullptr ? std::string() : *bytes;
}

Result<std::shared_ptr<const net::TlsServer>> make_tls(const config::Config& config, const config::Listener& listener, const Secrets& secrets,
                                                       const std::shared_ptr<net::TlsTickets>& tickets) {
  net::TlsServerOptions options;
  std::string problem;
  for (const config::CertificateFiles& files : config.tls.certificates) {
    net::TlsIdentity& identity = options.identities.emplace_back();
    identity.file = files.certificate;
    identity.chain = text_of(secrets, files.certificate, problem);
    identity.key = text_of(secrets, files.key, problem);
    std::string no_matter;         // a staple that is missing is no reason to do without TLS
    identity.staple = text_of(secrets, files.staple, no_matter);
  }
  options.rules = rules_of(listener.tls_rules, config.tls.rules);
  options.ask_certificate = listener.ask_certificate;
  options.authorities = text_of(secrets, config.tls.authorities, problem);
  std::string port = listener.port != 0 ? std::to_string(listener.port) : listener.setting;     // free ports are one each
  options.service = fmt::format("{} {} {}", static_cast<int>(listener.role), listener.address, port);
  if (config.tls.resumption) options.tickets = tickets;
  Result<std::shared_ptr<const net::TlsServer>> made = fail(Fault::invalid, problem);
  if (problem.empty()) made = net::TlsServer::make(options);
  for (net::TlsIdentity& identity : options.identities) crypto::wipe(identity.key);
  return made;
}

smtp::TlsUse use_of(config::ListenerTls tls) {
  switch (tls) {
    case config::ListenerTls::none: break;
    case config::ListenerTls::starttls: return smtp::TlsUse::offered;
    case config::ListenerTls::required: return smtp::TlsUse::required;
    case config::ListenerTls::implicit: return smtp::TlsUse::implicit;
  }
  return smtp::TlsUse::none;
}

}  // namespace

MadeServices make_services(const config::Config& config, const Secrets& secrets, const std::shared_ptr<net::TlsTickets>& tickets,
                           const ServiceMap& before) {
  MadeServices out;
  for (const config::Listener& listener : config.listeners) {
    auto service = std::make_shared<receive::Service>(listener.role == config::Role::lmtp ? smtp::Protocol::lmtp : smtp::Protocol::smtp);
    service->address = listener.address;
    service->listener = route::key_of(listener);
    service->limits = listener.limits;
    service->log_connections = listener.log_connections.value_or(config.log_connections);
    service->w3c = listener.w3c.value_or(config.w3c);
    service->submission = listener.role == config::Role::submission;
    service->odmr = listener.role == config::Role::odmr;
    service->auth = listener.auth.value_or(false);
    service->auth_required = listener.auth_required.value_or(false);
    service->auth_mechanisms = listener.auth_mechanisms;
    service->tls = use_of(listener.tls);
    if (service->tls != smtp::TlsUse::none) {
      auto made = make_tls(config, listener, secrets, tickets);
      auto old = before.find(listener.setting);
      if (made) {
        service->tls_server = std::move(*made);
      } else {
        if (std::ranges::find(out.problems, made.error().text()) == out.problems.end()) out.problems.push_back(made.error().text());
        if (old == before.end() || !old->second->tls_server) continue;
        service->tls_server = old->second->tls_server;
      }
      for (const auto& certificate : service->tls_server->certificates()) {
        bool known = std::ranges::any_of(out.certificates, [&](const auto& one) { return one.file == certificate.file; });
        if (!known) out.certificates.push_back(certificate);
      }
    }
    out.services[listener.setting] = std::move(service);
  }
  return out;
}

Expiry describe_expiry(const net::TlsServer::Certificate& certificate, Time now) {
  auto left = std::chrono::floor<std::chrono::days>(certificate.expires - now).count();
  std::string names;
  for (const std::string& name : certificate.names) names += (names.empty() ? "" : ", ") + name;
  std::string what = fmt::format("certificate {} ({})", certificate.file, names.empty() ? "no names" : escape(names, 200));
  Expiry out;
  out.soon = left < few_days;
  if (now >= certificate.expires) out.text = what + " has expired: clients refuse it; renew it";
  else out.text = fmt::format("{}: {} {} left{}", what, left, left == 1 ? "day" : "days", out.soon ? ": renew it" : "");
  return out;
}

}  // namespace mansio::daemon
