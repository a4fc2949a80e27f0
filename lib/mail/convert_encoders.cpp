#include "mail/convert_encoders.hpp"

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t column_limit = 75;     // RFC 2045 §6.7 (5): 76 with the "=" of a soft break
constexpr std::size_t base64_bytes = 57;     // make 76 characters

// Besides what must be encoded: a dot and "From " that begin a line, which old hosts change (RFC 2049 §3), and after a
// soft break a dash, lest a line of the encoding read like a boundary.
bool is_literal(std::string_view text, std::size_t i, bool last_of_line, bool line_start, bool soft) {
  char c = text[i];
  if (is_blank(c)) return !last_of_line;     // §6.7 (3)
  if (c <= ' ' || c >= 0x7f || c == '=') return false;
  if (!line_start) return true;
  return c != '.' && !(c == '-' && soft) && !text.substr(i).starts_with("From ");
}

}  // namespace

void QuotedPrintable::add(std::string_view text, bool ends_line, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t i = 0; i < text.size(); ++i) {
    // The end of a piece may be the end of the content.
    auto literal = [&] { return is_literal(text, i, i + 1 == text.size(), column_ == 0, soft_); };
    bool plain = literal();
    if (column_ + (plain ? 1 : 3) > column_limit) {
      out += "=\r\n";
      column_ = 0;
      soft_ = true;
      plain = literal();
    }
    if (plain) {
      out += text[i];
      ++column_;
      continue;
    }
    auto octet = static_cast<unsigned char>(text[i]);
    out += '=';
    out += digits[octet >> 4];
    out += digits[octet & 15];
    column_ += 3;
  }
  if (!ends_line) return;
  out += "\r\n";
  column_ = 0;
  soft_ = false;
}

void QuotedPrintable::finish(std::string& out) {
  if (column_ > 0) out += "=\r\n";
  column_ = 0;
  soft_ = false;
}

void Base64Lines::add(std::string_view bytes, std::string& out) {
  while (carry_.size() + bytes.size() >= base64_bytes) {
    std::size_t take = base64_bytes - carry_.size();
    carry_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    out += base64_encode(carry_);
    out += "\r\n";
    carry_.clear();
  }
  carry_ += bytes;
}

void Base64Lines::finish(std::string& out) {
  if (!carry_.empty()) out.append(base64_encode(carry_)).append("\r\n");
  carry_.clear();
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  QuotedPrintable encoder;
  while (!text.empty()) {
    auto end = text.find("\r\n");
    encoder.add(text.substr(0, end), end != text.npos, out);
    if (end == text.npos) break;
    text.remove_prefix(end + 2);
  }
  encoder.finish(out);
  return out;
}

}  // namespace mansio::mail
