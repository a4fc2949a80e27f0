#include "smtp/stuffing.hpp"

#include <cstring>

namespace mansio::smtp {
namespace {

std::size_t find_octet(std::string_view text, char octet, std::size_t from) noexcept {
  const void* found = std::memchr(text.data() + from, octet, text.size() - from);
  return found == nullptr ? text.size() : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

// A line at a time. `sent` is where the part begins that still has to be copied: up to the next dot in one go.
bool Stuffing::pass(std::string_view piece, std::string* out) {
  std::size_t sent = 0;
  for (std::size_t i = 0; i < piece.size();) {
    if (at_ == At::cr) {
      if (piece[i] != '\n') return false;
      at_ = At::line_start;
      ++i;
      continue;
    }
    if (at_ == At::line_start && piece[i] == '.' && out != nullptr) {
      out->append(piece.substr(sent, i - sent));
      *out += '.';
      sent = i;
    }
    std::size_t lf = find_octet(piece, '\n', i), cr = find_octet(piece.substr(0, lf), '\r', i);
    if (cr == lf && lf < piece.size()) return false;      // LF alone
    if (cr + 1 < lf) return false;                        // CR alone; also `lf` is the end of the piece
    if (cr == piece.size()) {
      at_ = At::text;
      break;
    }
    at_ = At::cr;
    i = cr + 1;
  }
  if (out != nullptr) out->append(piece.substr(sent));
  return true;
}

void Stuffing::finish(std::string& out) {
  if (at_ != At::line_start) out += "\r\n";
  out += ".\r\n";
}

}  // namespace mansio::smtp
