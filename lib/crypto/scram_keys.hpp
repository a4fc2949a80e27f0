// What a server stores of a password for SCRAM (RFC 5802 §3), and how the users file writes it, as Dovecot does:
//   {SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY      (base64)
// Pure. The keys can't log in by themselves, but whoever has them can play the server: they are secrets.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "crypto/digest.hpp"

namespace mansio::crypto {

inline constexpr std::uint32_t scram_iterations_min = 4096;       // RFC 7677 §4
inline constexpr std::uint32_t scram_iterations_new = 16384;      // of keys that we make
inline constexpr std::uint32_t scram_iterations_max = 1'000'000;  // about a third of a second

struct ScramKeys {
  Hash hash = Hash::sha256;
  std::uint32_t iterations = 0;
  std::string salt, stored_key, server_key;
  bool operator==(const ScramKeys&) const = default;
};

// `password` as SASLprep left it. Takes time: see pbkdf2.
ScramKeys derive_scram_keys(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations);

// SHA-256, the text after {SCRAM-SHA-256}.
Result<ScramKeys> parse_scram_keys(std::string_view text);
std::string format_scram_keys(const ScramKeys& keys);

}  // namespace mansio::crypto
