// Content-Transfer-Encodings as they are written (RFC 2045 §6.7, §6.8): content in pieces in, lines of at most 76
// octets out.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace mansio::mail {

class QuotedPrintable {
 public:
  // A piece of one line, without its CRLF; `ends_line`: the CRLF follows, and is written. CR and LF in `text` are data.
  void add(std::string_view text, bool ends_line, std::string& out);
  // The content ends within a line: the CRLF that SMTP wants after it is no part of it.
  void finish(std::string& out);

 private:
  std::size_t column_ = 0;
  bool soft_ = false;         // this line of output began with a soft break
};

class Base64Lines {
 public:
  void add(std::string_view bytes, std::string& out);
  void finish(std::string& out);      // pads, and ends the last line

 private:
  std::string carry_;                 // less than a line's worth
};

// Whole text with CRLF line ends.
std::string quoted_printable(std::string_view text);

}  // namespace mansio::mail
