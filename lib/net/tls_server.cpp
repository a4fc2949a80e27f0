#include <openssl/err.h>

#include <algorithm>
#include <new>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_rules.hpp"
#include "net/tls_session.hpp"
#include "net/tls_tickets.hpp"

namespace mansio::net {
namespace {

using Members = std::vector<std::size_t>;      // of Contexts::materials, at most one of each key type

bool same_type(const TlsMaterial& a, const TlsMaterial& b) { return EVP_PKEY_get_base_id(a.key.get()) == EVP_PKEY_get_base_id(b.key.get()); }

bool shares_name(const TlsMaterial& a, const TlsMaterial& b) {
  if (a.names.empty() && b.names.empty()) return true;
  return std::find_first_of(a.names.begin(), a.names.end(), b.names.begin(), b.names.end()) != a.names.end();
}

void add_member(const std::vector<TlsMaterial>& all, std::size_t index, Members& members) {
  for (auto member : members) {
    if (same_type(all[member], all[index])) return;
  }
  members.push_back(index);
}

// For clients that name none of ours, as most mail servers do: the first, and what stands beside it with another key.
Members members_of_first(const std::vector<TlsMaterial>& all) {
  Members out = {0};
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (shares_name(all[0], all[i])) add_member(all, i, out);
  }
  return out;
}

Members members_of_name(const std::vector<TlsMaterial>& all, const std::string& name) {
  Members out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::find(all[i].names.begin(), all[i].names.end(), name) != all[i].names.end()) add_member(all, i, out);
  }
  return out;
}

// ---- callbacks

const TlsServer::Contexts& contexts_of(void* argument) { return *static_cast<const TlsServer::Contexts*>(argument); }

// RFC 6066 §3: a name that is none of ours is no reason to end the handshake; mail servers send all sorts.
int choose_by_name(SSL* ssl, int*, void* argument) {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_CTX* found = name != nullptr ? contexts_of(argument).find(name) : nullptr;
  if (found == nullptr) return SSL_TLSEXT_ERR_NOACK;
  if (found != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, found);
  return SSL_TLSEXT_ERR_OK;
}

// RFC 6066 §8. OpenSSL asks for it once it has chosen the certificate.
int give_staple(SSL* ssl, void* argument) {
  auto* material = contexts_of(argument).material_of(SSL_get_certificate(ssl));
  if (material == nullptr || material->staple.empty() || material->staple_expires < std::chrono::system_clock::now()) return SSL_TLSEXT_ERR_NOACK;
  auto* copy = OPENSSL_memdup(material->staple.data(), material->staple.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(material->staple.size()));
  return SSL_TLSEXT_ERR_OK;
}

// A client that says which protocol it means to speak must mean mail: a browser that was led here by somebody else gets
// no further (the ALPACA attack; RFC 7301 §3.2).
int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned length, void*) {
  std::string_view offered(reinterpret_cast<const char*>(in), length);
  while (!offered.empty()) {
    auto one = offered.substr(1, static_cast<unsigned char>(offered.front()));
    if (one == "smtp" || one == "esmtp" || one == "lmtp") {
      *out = reinterpret_cast<const unsigned char*>(one.data());
      *size = static_cast<unsigned char>(one.size());
      return SSL_TLSEXT_ERR_OK;
    }
    offered.remove_prefix(std::min(offered.size(), one.size() + 1));
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// The handshake goes on whatever the certificate is worth; verify_result keeps what was found.
int verify_and_go_on(X509_STORE_CTX* store, void*) {
  X509_verify_cert(store);
  ERR_clear_error();
  return 1;
}

// A ticket carries which certificate the session began with: a resumed one shows none, but SASL's binding names it.
int note_end_point(SSL* ssl, void* argument) {
  if (SSL_session_reused(ssl) == 1) return 1;
  auto* material = contexts_of(argument).material_of(SSL_get_certificate(ssl));
  if (material == nullptr) return 1;
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), material->end_point.data(), material->end_point.size());
}

// ---- contexts

void set_resumption(SSL_CTX* context, const TlsServerOptions& options, TlsServer::Contexts& contexts) {
  // A ticket of one service is refused by another (S-047ff: Postfix's of 2026).
  unsigned char id[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(options.service.data(), options.service.size(), id, &size, EVP_sha256(), nullptr);
  SSL_CTX_set_session_id_context(context, id, size);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!options.tickets) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return;
  }
  options.tickets->use_in(context);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_session_ticket_cb(context, note_end_point, nullptr, &contexts);
}

Result<Owned<SSL_CTX>> make_context(const TlsServerOptions& options, TlsServer::Contexts& contexts, const Members& members, X509_STORE* authorities) {
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  if (!context) throw std::bad_alloc();
  auto ruled = apply_rules(context.get(), options.rules, strict_ciphers);
  if (!ruled) return std::unexpected(ruled.error());
  for (auto member : members) {
    auto used = use_material(context.get(), contexts.materials[member]);
    if (!used) return std::unexpected(used.error());
  }
  set_resumption(context.get(), options, contexts);
  SSL_CTX_set_tlsext_servername_callback(context.get(), choose_by_name);
  SSL_CTX_set_tlsext_servername_arg(context.get(), &contexts);
  SSL_CTX_set_tlsext_status_cb(context.get(), give_staple);
  SSL_CTX_set_tlsext_status_arg(context.get(), &contexts);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  SSL_CTX_set_msg_callback(context.get(), TlsSession::count_message);
  if (authorities != nullptr) {
    SSL_CTX_set1_cert_store(context.get(), authorities);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), verify_and_go_on, nullptr);
  }
  return context;
}

// The context of these members, made when no name called for just them before.
Result<SSL_CTX*> context_for(const TlsServerOptions& options, TlsServer::Contexts& contexts, const Members& members, X509_STORE* authorities,
                             std::map<Members, SSL_CTX*>& made) {
  auto& slot = made[members];
  if (slot != nullptr) return slot;
  auto context = make_context(options, contexts, members, authorities);
  if (!context) return std::unexpected(context.error());
  slot = context->get();
  contexts.contexts.push_back(std::move(*context));
  return slot;
}

Result<> make_contexts(const TlsServerOptions& options, TlsServer::Contexts& contexts) {
  Owned<X509_STORE> authorities;
  if (options.ask_certificate) {
    auto read = read_authorities(options.authorities);
    if (!read) return std::unexpected(read.error());
    authorities = std::move(*read);
  }
  std::map<Members, SSL_CTX*> made;
  auto first = context_for(options, contexts, members_of_first(contexts.materials), authorities.get(), made);
  if (!first) return std::unexpected(first.error());
  for (auto& material : contexts.materials) {
    for (auto& name : material.names) {
      if (contexts.by_name.contains(name)) continue;
      auto context = context_for(options, contexts, members_of_name(contexts.materials, name), authorities.get(), made);
      if (!context) return std::unexpected(context.error());
      contexts.by_name.emplace(name, *context);
    }
  }
  return {};
}

}  // namespace

// RFC 9525 §6.3: a wildcard stands for the whole leftmost label, and an exact name goes first.
SSL_CTX* TlsServer::Contexts::find(std::string_view server_name) const {
  if (!is_host_name(server_name)) return nullptr;
  std::string name = to_lower(server_name);
  auto exact = by_name.find(name);
  if (exact != by_name.end()) return exact->second;
  auto dot = name.find('.');
  if (dot == 0 || dot == std::string::npos) return nullptr;
  auto wildcard = by_name.find("*" + name.substr(dot));
  return wildcard != by_name.end() ? wildcard->second : nullptr;
}

const TlsMaterial* TlsServer::Contexts::material_of(const X509* leaf) const noexcept {
  for (auto& material : materials) {
    if (material.leaf.get() == leaf) return &material;
  }
  return nullptr;
}

Result<> use_material(SSL_CTX* context, const TlsMaterial& material) {
  bool used = SSL_CTX_use_certificate(context, material.leaf.get()) == 1 && SSL_CTX_use_PrivateKey(context, material.key.get()) == 1 &&
              SSL_CTX_set1_chain(context, material.chain.get()) == 1;
  if (!used) return fail(Fault::invalid, material.file + ": the certificate can't be used (" + take_reason() + ")");
  return {};
}

TlsServer::TlsServer(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {
  for (auto& material : contexts_->materials) {
    Certificate certificate;
    certificate.file = material.file;
    certificate.names = material.names;
    certificate.expires = material.expires;
    certificates_.push_back(std::move(certificate));
  }
}
TlsServer::~TlsServer() = default;

Result<std::shared_ptr<const TlsServer>> TlsServer::make(const TlsServerOptions& options) {
  if (options.identities.empty()) return fail(Fault::invalid, "a TLS server needs a certificate");
  auto contexts = std::make_unique<Contexts>();
  contexts->tickets = options.tickets;
  contexts->asks_certificate = options.ask_certificate;
  for (auto& identity : options.identities) {
    auto material = read_material(identity);
    if (!material) return std::unexpected(material.error());
    contexts->materials.push_back(std::move(*material));
  }
  auto made = make_contexts(options, *contexts);
  if (!made) return std::unexpected(made.error());
  return std::shared_ptr<const TlsServer>(new TlsServer(std::move(contexts)));
}

}  // namespace mansio::net
