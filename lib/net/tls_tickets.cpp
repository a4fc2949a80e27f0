#include "net/tls_tickets.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

namespace mansio::net {
namespace {

bool set_mac(EVP_MAC_CTX* mac, std::array<unsigned char, 32>& key) {
  char digest[] = "SHA256";
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.data(), key.size()),
                             OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

}  // namespace

std::shared_ptr<TlsTickets> make_tls_tickets() {
  return std::make_shared<TlsTickets>([] { return std::chrono::steady_clock::now(); });
}

void take_ticket_key(TlsTickets& tickets, std::string_view key, Duration age) { tickets.take(key, age); }

TlsTickets::TlsTickets(Clock clock) : clock_(std::move(clock)), aes_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {
  if (!aes_) throw std::runtime_error("OpenSSL has no AES-256-CBC");
}

TlsTickets::~TlsTickets() {
  for (auto& key : keys_) OPENSSL_cleanse(&key, sizeof key);
}

// False: without random numbers there are no tickets.
bool TlsTickets::turn() {
  auto now = clock_();
  while (!keys_.empty() && now - keys_.back().made > fresh_for + ticket_lifetime) {
    OPENSSL_cleanse(&keys_.back(), sizeof(Key));
    keys_.pop_back();
  }
  if (!keys_.empty() && (given_ || now - keys_.front().made <= fresh_for)) return true;
  Key key;
  key.made = now;
  bool random = RAND_bytes(key.name.data(), key.name.size()) == 1 && RAND_priv_bytes(key.cipher.data(), key.cipher.size()) == 1 &&
                RAND_priv_bytes(key.mac.data(), key.mac.size()) == 1;
  if (random) keys_.push_front(key);
  OPENSSL_cleanse(&key, sizeof key);
  return random;
}

void TlsTickets::take(std::string_view key, Duration age) {
  if (key.size() != ticket_key_size) return;
  Key made;
  made.made = clock_() - age;
  auto at = std::copy_n(key.begin(), made.name.size(), made.name.begin()) - made.name.begin();
  std::copy_n(key.begin() + at, made.cipher.size(), made.cipher.begin());
  std::copy_n(key.begin() + at + static_cast<std::ptrdiff_t>(made.cipher.size()), made.mac.size(), made.mac.begin());
  std::lock_guard lock(mutex_);
  given_ = true;
  auto older = std::ranges::find_if(keys_, [&](const Key& one) { return one.made <= made.made; });
  keys_.insert(older, made);
  OPENSSL_cleanse(&made, sizeof made);
}

int TlsTickets::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  Key& key = keys_.front();
  std::copy(key.name.begin(), key.name.end(), name);
  if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes_.get())) != 1) return -1;
  if (EVP_EncryptInit_ex2(cipher, aes_.get(), key.cipher.data(), iv, nullptr) != 1) return -1;
  return set_mac(mac, key.mac) ? 1 : -1;
}

// 2: good, and give a new one as well. 0: none of ours, so the handshake is a full one.
int TlsTickets::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  for (auto& key : keys_) {
    if (!std::equal(key.name.begin(), key.name.end(), name)) continue;
    if (EVP_DecryptInit_ex2(cipher, aes_.get(), key.cipher.data(), iv, nullptr) != 1 || !set_mac(mac, key.mac)) return -1;
    return &key == &keys_.front() ? 1 : 2;
  }
  return 0;
}

int TlsTickets::callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing) {
  auto* self = static_cast<TlsTickets*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  std::lock_guard lock(self->mutex_);
  if (!self->turn()) return -1;
  if (sealing != 0) return self->seal(name, iv, cipher, mac);
  int opened = self->open(name, iv, cipher, mac);
  // RFC 8446 §C.4: a ticket of 1.3 is used once, so the client needs another.
  return opened == 1 && SSL_version(ssl) >= TLS1_3_VERSION ? 2 : opened;
}

void TlsTickets::use_in(SSL_CTX* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
  SSL_CTX_set_timeout(context, std::chrono::seconds(ticket_lifetime).count());
}

}  // namespace mansio::net
