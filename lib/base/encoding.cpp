#include "base/encoding.hpp"

#include <array>

#include "base/text.hpp"

namespace mansio {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base62_digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::string_view upper_hex = "0123456789ABCDEF";

constexpr std::array<std::int8_t, 256> reverse_of(std::string_view digits) {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < digits.size(); ++i) table[static_cast<unsigned char>(digits[i])] = static_cast<std::int8_t>(i);
  return table;
}
constexpr auto base64_values = reverse_of(base64_digits);
constexpr auto base62_values = reverse_of(base62_digits);

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto byte = [&](std::size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u; };
    unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += base64_digits[group >> 18];
    out += base64_digits[group >> 12 & 63];
    out += i + 1 < bytes.size() ? base64_digits[group >> 6 & 63] : '=';
    out += i + 2 < bytes.size() ? base64_digits[group & 63] : '=';
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return fail(Fault::invalid, "base64: length is not a multiple of 4");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    bool last = i + 4 == text.size();
    int padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
    unsigned group = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      int value = k >= 4u - static_cast<unsigned>(padding) ? 0 : base64_values[static_cast<unsigned char>(text[i + k])];
      if (value < 0) return fail(Fault::invalid, "base64: character outside the alphabet");
      group = group << 6 | static_cast<unsigned>(value);
    }
    out += static_cast<char>(group >> 16);
    if (padding < 2) out += static_cast<char>(group >> 8);
    if (padding < 1) out += static_cast<char>(group);
    unsigned unused = padding == 2 ? group & 0xffff : padding == 1 ? group & 0xff : 0;
    if (unused != 0) return fail(Fault::invalid, "base64: bits set in the padding");
  }
  return out;
}

std::string xtext_encode(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    if (c > ' ' && c < 0x7f && c != '+' && c != '=') {
      out += c;
    } else {
      out += '+';
      out += upper_hex[static_cast<unsigned char>(c) >> 4];
      out += upper_hex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

Result<std::string> xtext_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+') {
      auto high = i + 2 < text.size() ? upper_hex.find(text[i + 1]) : std::string_view::npos;
      auto low = i + 2 < text.size() ? upper_hex.find(text[i + 2]) : std::string_view::npos;
      if (high == std::string_view::npos || low == std::string_view::npos) {
        return fail(Fault::invalid, "xtext: + without two upper-case hexadecimal digits");
      }
      out += static_cast<char>(high << 4 | low);
      i += 2;
    } else if (c > ' ' && c < 0x7f && c != '=') {
      out += c;
    } else {
      return fail(Fault::invalid, "xtext: character that must be encoded");
    }
  }
  return out;
}

std::string hex_encode(std::uint64_t value) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = ascii_lower(upper_hex[value & 15]);
  return out;
}

std::optional<std::uint64_t> hex_decode(std::string_view text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    auto digit = upper_hex.find(ascii_upper(c));
    if (digit == std::string_view::npos) return std::nullopt;
    value = value << 4 | digit;
  }
  return value;
}

std::string base62_encode(std::uint64_t value, int width) {
  std::string out(static_cast<std::size_t>(width), '0');
  for (std::size_t i = out.size(); i-- > 0; value /= 62) out[i] = base62_digits[value % 62];
  return out;
}

std::optional<std::uint64_t> base62_decode(std::string_view text) {
  std::uint64_t value = 0;
  for (char c : text) {
    int digit = base62_values[static_cast<unsigned char>(c)];
    if (digit < 0 || __builtin_mul_overflow(value, 62u, &value) ||
        __builtin_add_overflow(value, static_cast<unsigned>(digit), &value)) {
      return std::nullopt;
    }
  }
  return value;
}

}  // namespace mansio
