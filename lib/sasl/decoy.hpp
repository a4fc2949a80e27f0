// Keeps what a stranger sees and how long it takes the same for users who exist and users who don't. What it says of
// a name is always the same while the secret is the same: a salt that changes from try to try would tell.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "crypto/scram_keys.hpp"
#include "crypto/secret.hpp"

namespace mansio::sasl {

class Decoy {
 public:
  Decoy();                                  // a fresh secret, for the life of the process
  explicit Decoy(std::string_view secret);  // one that is kept, so that a restart does not tell either; 32 octets

  // SCRAM keys that no password opens. Iterations and size of the salt are those of the file's real entries (see
  // shape).
  crypto::ScramKeys keys(std::string_view user, crypto::Hash hash) const;
  // Set once, before the first login: what make_password_entry writes, unless told.
  void shape(std::uint32_t iterations, std::size_t salt_size);

  // Which of the file's `count` entries to check the password of an unknown user against, the result forgotten.
  // `count` must not be 0: keep one entry of the default scheme for an empty file.
  std::size_t pick(std::string_view user, std::size_t count) const;

 private:
  crypto::Secret secret_;
  std::uint32_t iterations_ = crypto::scram_iterations_new;
  std::size_t salt_size_ = 16;
};

}  // namespace mansio::sasl
