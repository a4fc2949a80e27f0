#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace mansio {

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), ascii_lower);
  return out;
}

bool iequals(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

bool istarts_with(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view text) noexcept {
  const char* blanks = " \t\r\n";
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  for (;;) {
    auto at = text.find(separator);
    fields.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return fields;
    text.remove_prefix(at + 1);
  }
}

bool is_ascii(std::string_view text) noexcept { return std::ranges::none_of(text, is_8bit); }
bool has_control(std::string_view text) noexcept { return std::ranges::any_of(text, is_control); }

// Length of the valid UTF-8 sequence at the start of `text` (RFC 3629 §4), or 0.
static std::size_t utf8_sequence(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    unsigned low = lead == 0xe0 ? 0xa0 : 0x80, high = lead == 0xed ? 0x9f : 0xbf;   // no overlong, no surrogate
    return tail(1, low, high) && tail(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    unsigned low = lead == 0xf0 ? 0x90 : 0x80, high = lead == 0xf4 ? 0x8f : 0xbf;
    return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    std::size_t n = utf8_sequence(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

// How many octets at the start of `text` stand for themselves: printable ASCII but the backslash. Nearly all that is
// ever escaped is nothing else.
static std::size_t plain_run(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::find_if(text, [](char c) { return c < ' ' || c > '~' || c == '\\'; }) - text.begin());
}

std::string escape(std::string_view text, std::size_t limit) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    if (std::size_t plain = plain_run(text); plain > 0) {
      std::size_t room = limit - out.size();
      out += text.substr(0, std::min(plain, room));
      if (plain > room) return out + "...";
      text.remove_prefix(plain);
      continue;
    }
    char c = text[0];
    std::size_t n = utf8_sequence(text);
    bool c1 = n == 2 && c == '\xc2' && static_cast<unsigned char>(text[1]) < 0xa0;   // U+0080..U+009F: controls too
    std::string piece;
    if (c == '\\') piece = "\\\\";
    else if (c == '\n') piece = "\\n";
    else if (c == '\r') piece = "\\r";
    else if (c == '\t') piece = "\\t";
    else if (c == '\0') piece = "\\0";
    else if (is_control(c) || n == 0 || c1) piece = {'\\', 'x', hex[static_cast<unsigned char>(c) >> 4], hex[static_cast<unsigned char>(c) & 15]};
    else piece = text.substr(0, n);
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    text.remove_prefix(n == 0 || c1 ? 1 : n);
  }
  return out;
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (!is_digit(c)) return std::nullopt;
    if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, static_cast<unsigned>(c - '0'), &value)) {
      return std::nullopt;
    }
  }
  return value;
}

static std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t cost = std::min({row[j + 1] + 1, row[j] + 1, diagonal + (ascii_lower(a[i]) != ascii_lower(b[j]))});
      diagonal = std::exchange(row[j + 1], cost);
    }
  }
  return row.back();
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 2)) + 1;
  for (const std::string& candidate : candidates) {
    std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace mansio
