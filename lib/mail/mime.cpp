#include "mail/mime.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::uint64_t smtp_line_octets = 998;   // RFC 5321 §4.5.3.1.6, without CRLF
constexpr std::uint64_t every_octet = 0x0101010101010101;

std::uint64_t word_at(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// Not 0 when an octet of `word` is under 0x0e: the only ones of interest are NUL, LF and CR. (Exact for "is there one".)
constexpr std::uint64_t low_octets(std::uint64_t word) noexcept {
  return (word - every_octet * 0x0e) & ~word & every_octet * 0x80;
}

}  // namespace

void ContentScanner::special(unsigned char octet, std::uint64_t at) noexcept {
  if (octet == '\0') binary_ = true;
  if (octet == '\n') {
    if (!cr_at_ || *cr_at_ + 1 != at) binary_ = true;
    else if (*cr_at_ - line_start_ > smtp_line_octets) binary_ = true;
    cr_at_.reset();
    line_start_ = at + 1;
  } else if (octet == '\r') {
    if (cr_at_) binary_ = true;      // that one stood alone
    cr_at_ = at;
  }
}

// NUL, line ends and line lengths of any piece; and whether an octet is over 127.
void ContentScanner::scan(std::string_view piece) noexcept {
  std::uint64_t seen = 0;
  std::size_t i = 0;
  const char* data = piece.data();
  // The lowest octet of a word that low_octets() marks is one; a mark above it may be a borrow's, which special() ignores.
  auto marked = [&](std::uint64_t marks, std::size_t at) {
    for (; marks != 0; marks &= marks - 1) {
      std::size_t place = at + static_cast<std::size_t>(std::countr_zero(marks)) / 8;
      special(static_cast<unsigned char>(data[place]), size_ + place);
    }
  };
  for (; i + 32 <= piece.size(); i += 32) {
    std::uint64_t a = word_at(data + i), b = word_at(data + i + 8);
    std::uint64_t c = word_at(data + i + 16), d = word_at(data + i + 24);
    seen |= a | b | c | d;
    std::uint64_t low_a = low_octets(a), low_b = low_octets(b), low_c = low_octets(c), low_d = low_octets(d);
    if ((low_a | low_b | low_c | low_d) == 0) continue;
    marked(low_a, i);
    marked(low_b, i + 8);
    marked(low_c, i + 16);
    marked(low_d, i + 24);
  }
  for (; i < piece.size(); ++i) {
    auto octet = static_cast<unsigned char>(data[i]);
    seen |= octet;
    special(octet, size_ + i);
  }
  if ((seen & every_octet * 0x80) != 0) eight_bit_ = true;
  size_ += piece.size();
}

// Where the header ends is known only when it has: until then the places of 8-bit octets are kept.
void ContentScanner::header_part(std::string_view piece) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (!is_8bit(piece[i])) continue;
    if (!first_eight_bit_) first_eight_bit_ = size_ + i;
    last_eight_bit_ = size_ + i;
  }
  header_.feed(piece);
  scan(piece);
  eight_bit_ = header_.done() && last_eight_bit_ && *last_eight_bit_ >= header_.header_size();
}

void ContentScanner::add(std::string_view piece) {
  constexpr std::size_t step = 1024;
  while (!header_.done() && !piece.empty()) {
    header_part(piece.substr(0, step));
    piece.remove_prefix(std::min(piece.size(), step));
  }
  if (!piece.empty()) scan(piece);
}

ContentNeeds ContentScanner::needs() {
  if (!header_.done()) {
    header_.finish();
    eight_bit_ = last_eight_bit_ && *last_eight_bit_ >= header_.header_size();
  }
  ContentNeeds out;
  out.eight_bit_header = first_eight_bit_ && *first_eight_bit_ < header_.header_size();
  out.eight_bit_body = eight_bit_;
  out.binary = binary_ || cr_at_.has_value() || size_ - line_start_ > smtp_line_octets;
  out.mime = header_.count(KnownField::mime_version) > 0;
  return out;
}

}  // namespace mansio::mail
