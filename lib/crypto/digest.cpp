#include "crypto/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <limits>
#include <stdexcept>

namespace mansio::crypto {
namespace {

const EVP_MD* method_of(Hash hash) {
  switch (hash) {
    case Hash::sha1: return EVP_sha1();
    case Hash::sha256: return EVP_sha256();
    case Hash::sha512: return EVP_sha512();
  }
  throw std::logic_error("no such hash");
}

unsigned char* octets_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* octets_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// libcrypto counts keys and passwords in int.
int int_size(std::string_view text) {
  if (text.size() > std::numeric_limits<int>::max()) throw std::length_error("key too long");
  return static_cast<int>(text.size());
}

}  // namespace

std::size_t digest_size(Hash hash) noexcept {
  switch (hash) {
    case Hash::sha1: return 20;
    case Hash::sha256: return 32;
    case Hash::sha512: return 64;
  }
  return 0;
}

std::string digest(Hash hash, std::string_view data) {
  std::string out(digest_size(hash), '\0');
  if (EVP_Digest(data.data(), data.size(), octets_of(out), nullptr, method_of(hash), nullptr) != 1) {
    throw std::runtime_error("digest failed");
  }
  return out;
}

std::string hmac(Hash hash, std::string_view key, std::string_view data) {
  std::string out(digest_size(hash), '\0');
  // A null key would mean "the key of the call before".
  const char* start = key.empty() ? "" : key.data();
  if (HMAC(method_of(hash), start, int_size(key), octets_of(data), data.size(), octets_of(out), nullptr) == nullptr) {
    throw std::runtime_error("HMAC failed");
  }
  return out;
}

std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  if (iterations == 0 || iterations > std::numeric_limits<int>::max()) throw std::invalid_argument("iterations");
  std::string out(digest_size(hash), '\0');
  const char* start = password.empty() ? "" : password.data();
  if (PKCS5_PBKDF2_HMAC(start, int_size(password), octets_of(salt), int_size(salt), static_cast<int>(iterations),
                        method_of(hash), int_size(out), octets_of(out)) != 1) {
    throw std::runtime_error("PBKDF2 failed");
  }
  return out;
}

}  // namespace mansio::crypto
