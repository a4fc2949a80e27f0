// What TlsServer and TlsClient hold: OpenSSL's contexts and what their callbacks look at. Private to this room.
#pragma once
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/openssl.hpp"
#include "net/tls.hpp"
#include "net/tls_material.hpp"

namespace mansio::net {

// One SSL_CTX for each set of certificates that some name calls for. A context holds one of each key type.
struct TlsServer::Contexts {
  std::vector<TlsMaterial> materials;
  std::vector<Owned<SSL_CTX>> contexts;                     // the first is for clients that name none of ours
  std::map<std::string, SSL_CTX*, std::less<>> by_name;     // "mail.example.org", "*.example.org"
  std::shared_ptr<TlsTickets> tickets;
  bool asks_certificate = false;

  SSL_CTX* first() const noexcept { return contexts.front().get(); }
  SSL_CTX* find(std::string_view server_name) const;        // null: none of ours
  const TlsMaterial* material_of(const X509* leaf) const noexcept;
};

// Sessions that may be resumed, the least recently used forgotten first.
class TlsSessionCache {
 public:
  static constexpr std::size_t most = 1000;
  Owned<SSL_SESSION> find(const std::string& key);
  void put(const std::string& key, Owned<SSL_SESSION> session);
  void forget(const std::string& key);
  std::size_t size();

 private:
  struct Entry {
    std::string key;
    Owned<SSL_SESSION> session;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;                                // the latest first
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;
};

struct TlsClient::Context {
  Owned<SSL_CTX> strict, lax;                               // for those that verify, and for the opportunistic
  mutable TlsSessionCache sessions;
};

// Puts the certificate, its chain and key into `context`. Fault::invalid when OpenSSL won't have them (a weak key).
Result<> use_material(SSL_CTX* context, const TlsMaterial& material);

}  // namespace mansio::net
