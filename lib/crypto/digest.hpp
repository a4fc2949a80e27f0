// Digests and what is built on them: HMAC (RFC 2104) and PBKDF2 (RFC 8018 §5.2), by OpenSSL's libcrypto. Values are
// bytes, not hex. SHA-1 is here for protocols that still name it; nothing of ours should choose it.
// These fail only when memory is out or libcrypto is broken; that is an exception.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mansio::crypto {

enum class Hash : std::uint8_t { sha1, sha256, sha512 };

std::size_t digest_size(Hash hash) noexcept;  // octets
std::string digest(Hash hash, std::string_view data);
std::string hmac(Hash hash, std::string_view key, std::string_view data);

// One block of the digest's size, as SCRAM's Hi() has it (RFC 5802 §2.2). 4096 iterations are about a millisecond.
std::string pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations);

}  // namespace mansio::crypto
