#include "net/certificate.hpp"

#include <openssl/err.h>

#include <algorithm>

#include "base/text.hpp"
#include "net/tls_material.hpp"

namespace mansio::net {
namespace {

std::string key_digest_of(X509* certificate) {
  unsigned char* der = nullptr;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  bool made = size > 0 && EVP_Digest(der, static_cast<std::size_t>(size), digest, &length, EVP_sha256(), nullptr) == 1;
  OPENSSL_free(der);
  return made ? std::string(reinterpret_cast<const char*>(digest), length) : std::string();
}

// As a client verifies it, names aside. "" when it does.
std::string verify_problem(const TlsMaterial& material, X509_STORE* authorities) {
  std::unique_ptr<X509_STORE_CTX, decltype(&X509_STORE_CTX_free)> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  if (!context || X509_STORE_CTX_init(context.get(), authorities, material.leaf.get(), material.chain.get()) != 1) return take_reason();
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  bool good = X509_verify_cert(context.get()) == 1;
  std::string why = good ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
  ERR_clear_error();
  return why;
}

}  // namespace

Result<CertificateFacts> read_certificate_facts(const std::string& file, std::string_view pem, std::string_view authorities) {
  TlsIdentity identity;
  identity.file = file;
  identity.chain = pem;
  auto material = read_certificates(identity);
  if (!material) return std::unexpected(material.error());
  auto store = read_authorities(authorities);
  if (!store) return std::unexpected(store.error());
  CertificateFacts out;
  out.file = file;
  out.names = material->names;
  out.expires = material->expires;
  out.key_digest = key_digest_of(material->leaf.get());
  out.problem = verify_problem(*material, store->get());
  return out;
}

bool certificate_has_name(const CertificateFacts& facts, std::string_view host) {
  auto dot = host.find('.');
  std::string parent = dot == std::string_view::npos ? std::string() : "*" + to_lower(host.substr(dot));
  std::string own = to_lower(host);
  return std::ranges::any_of(facts.names, [&](const std::string& name) { return name == own || (!parent.empty() && name == parent); });
}

}  // namespace mansio::net
