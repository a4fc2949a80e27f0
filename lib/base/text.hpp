// ASCII text as mail uses it: no locale, no ctype. Also UTF-8 validity and escapes for logs.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mansio {

constexpr char ascii_lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr char ascii_upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) noexcept { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }
constexpr bool is_alnum(char c) noexcept { return is_digit(c) || is_alpha(c); }
constexpr bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
constexpr bool is_8bit(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }

std::string to_lower(std::string_view text);               // ASCII letters only; other bytes as they are
bool iequals(std::string_view a, std::string_view b) noexcept;
bool istarts_with(std::string_view text, std::string_view prefix) noexcept;
std::string_view trim(std::string_view text) noexcept;     // spaces, tabs, CR, LF at both ends
std::vector<std::string_view> split(std::string_view text, char separator);   // keeps empty fields
bool is_ascii(std::string_view text) noexcept;
bool has_control(std::string_view text) noexcept;

// RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF. NUL is valid UTF-8 (check has_control).
bool is_utf8(std::string_view text) noexcept;

// For a log line or a reply: control bytes as \n \r \t \0 \xHH, backslash as \\, invalid UTF-8 as \xHH; at most
// `limit` bytes of output, then "...".
std::string escape(std::string_view text, std::size_t limit = 1024);

// Decimal digits only, no sign, no blank; nullopt when empty, another character, or past 2^64-1.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

// Edit distance for "did you mean": nullopt when nothing is near enough to be meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace mansio
