// The keys of session tickets. A new one is made every `fresh_for`; the old ones open tickets until the last that they
// sealed has run out. Private to this room; tls.hpp makes them.
#pragma once
#include <array>
#include <deque>
#include <functional>
#include <mutex>

#include "net/openssl.hpp"
#include "net/tls.hpp"

namespace mansio::net {

class TlsTickets {
 public:
  using Clock = std::function<MonotonicTime()>;
  explicit TlsTickets(Clock clock);
  ~TlsTickets();

  static constexpr std::chrono::minutes fresh_for = ticket_key_fresh;
  static constexpr std::chrono::minutes ticket_lifetime = ticket_key_useful - ticket_key_fresh;

  void take(std::string_view key, Duration age);
  // Makes `context` seal and open its tickets with these keys, which outlive it.
  void use_in(SSL_CTX* context);

 private:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher, mac;
    MonotonicTime made;
  };

  static int callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int sealing);
  int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  bool turn();

  Clock clock_;
  std::mutex mutex_;
  std::deque<Key> keys_;       // the newest first
  bool given_ = false;         // they come from outside
  Owned<EVP_CIPHER> aes_;      // fetched once: a fetch a ticket would take a lock and a look-up each
};

}  // namespace mansio::net
