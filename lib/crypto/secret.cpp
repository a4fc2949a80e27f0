#include "crypto/secret.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <limits>
#include <stdexcept>
#include <utility>

namespace mansio::crypto {

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe(text_);
    text_ = other.text_;
  }
  return *this;
}

// A short string is moved by a copy that leaves its bytes behind.
Secret::Secret(Secret&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(text_);
    text_ = std::move(other.text_);
    wipe(other.text_);
  }
  return *this;
}

Secret::~Secret() { wipe(text_); }

void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // no allocation: it has the room
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (count > std::numeric_limits<int>::max() ||
      RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1) {
    throw std::runtime_error("no random bytes");
  }
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace mansio::crypto
