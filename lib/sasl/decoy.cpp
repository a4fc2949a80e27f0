#include "sasl/decoy.hpp"

#include <algorithm>

namespace mansio::sasl {

Decoy::Decoy() : secret_(crypto::random_bytes(32)) {}
Decoy::Decoy(std::string_view secret) : secret_(secret) {}

void Decoy::shape(std::uint32_t iterations, std::size_t salt_size) {
  iterations_ = std::clamp(iterations, crypto::scram_iterations_min, crypto::scram_iterations_max);
  salt_size_ = std::clamp<std::size_t>(salt_size, 1, 64);
}

crypto::ScramKeys Decoy::keys(std::string_view user, crypto::Hash hash) const {
  auto made = [&](std::string_view what) {
    return crypto::hmac(crypto::Hash::sha512, secret_.view(), std::string(what) + '\0' + std::string(user));
  };
  crypto::ScramKeys keys;
  keys.hash = hash;
  keys.iterations = iterations_;
  keys.salt = made("salt").substr(0, salt_size_);
  keys.stored_key = made("stored key").substr(0, crypto::digest_size(hash));
  keys.server_key = made("server key").substr(0, crypto::digest_size(hash));
  return keys;
}

std::size_t Decoy::pick(std::string_view user, std::size_t count) const {
  std::string bytes =
      crypto::hmac(crypto::Hash::sha256, secret_.view(), "pick" + std::string(1, '\0') + std::string(user));
  std::uint64_t value = 0;
  for (char c : bytes.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::size_t>(value % count);
}

}  // namespace mansio::sasl
