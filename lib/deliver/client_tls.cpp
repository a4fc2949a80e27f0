#include "deliver/client_tls.hpp"

#include <chrono>

#include "crypto/secret.hpp"

namespace mansio::deliver {
namespace {

constexpr std::size_t clear_limit = 10'000, contexts_limit = 1000;

net::TlsRules net_rules(const config::TlsRules& rules) {
  net::TlsRules out;
  if (rules.min_version == "1.3") out.least = net::TlsVersion::tls13;
  out.ciphers = rules.ciphers;
  out.cipher_suites = rules.cipher_suites;
  out.groups = rules.groups;
  return out;
}

std::string settings_key(const config::Transport& transport) {
  const config::TlsRules& rules = transport.tls_rules;
  const config::CertificateFiles& files = transport.tls_certificate;
  std::string key;
  for (const std::string* part : {&rules.min_version, &rules.ciphers, &rules.cipher_suites, &rules.groups, &transport.tls_authorities,
                                  &files.certificate, &files.key}) {
    key += *part;
    key += '\n';
  }
  return key;
}

}  // namespace

std::string TlsDemand::key() const {
  constexpr std::string_view levels[] = {"clear", "opportunistic", "required", "verify"};
  std::string out(levels[static_cast<std::size_t>(level)]);
  for (const std::string& name : names) out += "," + name;
  return out;
}

TlsDemand TlsPolicies::demand(const config::ConfigPtr& config, const config::Transport& transport, const mail::Domain& domain) {
  TlsDemand out;
  out.level = transport.tls;
  if (!config || transport.kind != config::TransportKind::smtp) return out;
  if (config_ != config) {
    config_ = config;
    lists_.clear();
    for (const config::TlsPolicy& policy : config->tls_policies) lists_.emplace_back(policy.domains);
  }
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    if (!lists_[i].matches(domain.key())) continue;
    out.level = config->tls_policies[i].tls;
    out.names = config->tls_policies[i].names;
    out.by_policy = true;
    break;
  }
  return out;
}

Result<std::shared_ptr<const net::TlsClient>> ClientTlsContexts::get(const config::Transport& transport) {
  std::uint64_t now = secrets_ != nullptr ? secrets_->generation() : 1;
  if (made_.size() >= contexts_limit) made_.clear();
  Made& made = made_[settings_key(transport)];
  if (made.generation != now) {
    made.result = make(transport);
    made.generation = now;
  }
  return made.result;
}

Result<std::shared_ptr<const net::TlsClient>> ClientTlsContexts::make(const config::Transport& transport) const {
  net::TlsClientOptions options;
  options.rules = net_rules(transport.tls_rules);
  if (!transport.tls_authorities.empty()) {
    auto authorities = bytes_of(transport.tls_authorities);
    if (!authorities) return std::unexpected(authorities.error());
    options.authorities = std::move(*authorities);
  }
  if (transport.tls_certificate.certificate.empty()) return net::TlsClient::make(options);
  auto chain = bytes_of(transport.tls_certificate.certificate);
  if (!chain) return std::unexpected(chain.error());
  auto key = bytes_of(transport.tls_certificate.key);
  if (!key) return std::unexpected(key.error());
  options.identity.emplace();
  options.identity->file = transport.tls_certificate.certificate;
  options.identity->chain = std::move(*chain);
  options.identity->key = std::move(*key);
  auto client = net::TlsClient::make(options);
  crypto::wipe(options.identity->key);
  return client;
}

Result<std::string> ClientTlsContexts::bytes_of(const std::string& path) const {
  const std::string* bytes = secrets_ != nullptr ? secrets_->find(path) : nullptr;
  if (bytes != nullptr) return *bytes;
  return fail(Fault::not_found, secrets_ != nullptr ? secrets_->problem(path) : path + ": not read");
}

void ClearAddresses::add(const std::string& endpoint) {
  if (until_.size() >= clear_limit) until_.clear();
  until_[endpoint] = std::chrono::steady_clock::now() + remembered;
}

bool ClearAddresses::has(const std::string& endpoint) const {
  auto found = until_.find(endpoint);
  return found != until_.end() && found->second > std::chrono::steady_clock::now();
}

}  // namespace mansio::deliver
