#include "mail/mime.hpp"

#include <algorithm>
#include <cstring>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::uint64_t line_octets = 998;   // RFC 5321 §4.5.3.1.6, without CRLF
constexpr std::uint64_t every_octet = 0x0101010101010101;

std::uint64_t word_at(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
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
    else if (*cr_at_ - line_start_ > line_octets) binary_ = true;
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
  auto each = [&](std::size_t end) {
    for (; i < end; ++i) {
      auto octet = static_cast<unsigned char>(data[i]);
      seen |= octet;
      if (octet < 0x0e) special(octet, size_ + i);
    }
  };
  while (i + 32 <= piece.size()) {
    std::uint64_t a = word_at(data + i), b = word_at(data + i + 8), c = word_at(data + i + 16), d = word_at(data + i + 24);
    seen |= a | b | c | d;
    if ((low_octets(a) | low_octets(b)) != 0) each(i + 16);
    else i += 16;
    if ((low_octets(c) | low_octets(d)) != 0) each(i + 16);
    else i += 16;
  }
  each(piece.size());
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
  for (; !header_.done() && !piece.empty(); piece.remove_prefix(std::min(piece.size(), step))) header_part(piece.substr(0, step));
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
  out.binary = binary_ || cr_at_.has_value() || size_ - line_start_ > line_octets;
  out.mime = header_.count(KnownField::mime_version) > 0;
  return out;
}

}  // namespace mansio::mail
