// Encodings the wire and the spool use: base64 (RFC 4648), xtext (RFC 3461 §4), hex, base62 (Exim's queue ids).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio {

std::string base64_encode(std::string_view bytes);                 // with padding, no line breaks
Result<std::string> base64_decode(std::string_view text);          // strict: padding needed, nothing else allowed

// RFC 3461 §4: "+" and "=" and all outside "!".."~" as +HH. Decoding is strict about upper-case hex.
std::string xtext_encode(std::string_view bytes);
Result<std::string> xtext_decode(std::string_view text);

std::string hex_encode(std::uint64_t value);                       // 16 lower-case digits
std::optional<std::uint64_t> hex_decode(std::string_view text);    // 1 to 16 digits

// Digits 0-9A-Za-z, most significant first, exactly `width` of them; the value must fit.
std::string base62_encode(std::uint64_t value, int width);
std::optional<std::uint64_t> base62_decode(std::string_view text);

}  // namespace mansio
