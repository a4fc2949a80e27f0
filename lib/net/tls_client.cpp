#include <new>
#include <utility>

#include "net/tls_contexts.hpp"
#include "net/tls_rules.hpp"
#include "net/tls_session.hpp"

namespace mansio::net {

Owned<SSL_SESSION> TlsSessionCache::find(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  auto entry = found->second;
  if (SSL_SESSION_is_resumable(entry->session.get()) != 1) {
    entries_.erase(entry);
    index_.erase(found);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  SSL_SESSION_up_ref(entry->session.get());
  return Owned<SSL_SESSION>(entry->session.get());
}

void TlsSessionCache::put(const std::string& key, Owned<SSL_SESSION> session) {
  std::lock_guard lock(mutex_);
  auto found = index_.find(key);
  if (found != index_.end()) {
    found->second->session = std::move(session);
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_.size() >= most) {
    index_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front(Entry{key, std::move(session)});
  index_.emplace(key, entries_.begin());
}

void TlsSessionCache::forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  auto found = index_.find(key);
  if (found == index_.end()) return;
  entries_.erase(found->second);
  index_.erase(found);
}

std::size_t TlsSessionCache::size() {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

static Result<Owned<SSL_CTX>> make_client_context(const TlsClientOptions& options, const char* ciphers, X509_STORE* authorities,
                                                  const TlsMaterial* own) {
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  if (!context) throw std::bad_alloc();
  auto ruled = apply_rules(context.get(), options.rules, ciphers);
  if (!ruled) return std::unexpected(ruled.error());
  SSL_CTX_set1_cert_store(context.get(), authorities);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), TlsSession::keep_session);
  SSL_CTX_set_msg_callback(context.get(), TlsSession::count_message);
  if (own != nullptr) {
    auto used = use_material(context.get(), *own);
    if (!used) return std::unexpected(used.error());
  }
  return context;
}

TlsClient::TlsClient(std::unique_ptr<Context> context) : context_(std::move(context)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<const TlsClient>> TlsClient::make(const TlsClientOptions& options) {
  auto authorities = read_authorities(options.authorities);
  if (!authorities) return std::unexpected(authorities.error());
  std::optional<TlsMaterial> own;
  if (options.identity) {
    auto material = read_material(*options.identity);
    if (!material) return std::unexpected(material.error());
    own = std::move(*material);
  }
  const TlsMaterial* shown = own ? &*own : nullptr;
  auto strict = make_client_context(options, strict_ciphers, authorities->get(), shown);
  if (!strict) return std::unexpected(strict.error());
  auto lax = make_client_context(options, lax_ciphers, authorities->get(), shown);
  if (!lax) return std::unexpected(lax.error());
  auto context = std::make_unique<Context>();
  context->strict = std::move(*strict);
  context->lax = std::move(*lax);
  return std::shared_ptr<const TlsClient>(new TlsClient(std::move(context)));
}

}  // namespace mansio::net
