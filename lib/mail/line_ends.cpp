#include "mail/line_ends.hpp"

#include <utility>

namespace mansio::mail {

void LineNormalizer::end_line(std::string& out) {
  if (dot_) {
    dot_ = false;
    if (dot_ends_) {
      ended_ = true;
      return;
    }
    out += '.';
  }
  out += "\r\n";
  column_ = 0;
}

Result<> LineNormalizer::feed(std::string_view in, std::string& out) {
  for (char c : in) {
    if (ended_) return {};
    if (c == '\0') return fail(Fault::invalid, "the message holds a NUL character");
    if (c == '\r') {
      cr_ = true;
      continue;
    }
    bool was_cr = std::exchange(cr_, false);
    if (was_cr || c == '\n') end_line(out);
    if (c == '\n' || ended_) continue;
    if (dot_) {
      out += '.';
      dot_ = false;
    }
    if (c == '.' && column_ == 0) dot_ = true;
    else out += c;
    ++column_;
  }
  return {};
}

void LineNormalizer::finish(std::string& out) {
  if (!ended_ && (cr_ || column_ > 0)) end_line(out);
  cr_ = false;
}

}  // namespace mansio::mail
