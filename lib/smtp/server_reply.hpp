// A server's reply as it comes off the wire, in pieces cut anywhere (RFC 5321 §4.2). Pure. The server is not trusted: lines,
// their number and the whole are bounded, and no control byte of it reaches the text. What is decided is decided by the code.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace mansio::smtp {

struct ServerReply {
  ServerReply() = default;
  int code = 0;              // 200 to 599
  std::string text;          // lines joined by '\n', without codes; valid UTF-8 without other control characters

  bool ok() const noexcept { return code / 100 == 2; }
  bool refused() const noexcept { return code / 100 == 4 || code / 100 == 5; }
  // As an outcome. The enhanced code of the text only when its class is that of the reply, else x.0.0.
  Status status() const;
};

class ReplyParser {
 public:
  static constexpr std::size_t line_limit = 8192;        // octets of a line that are looked at
  static constexpr std::size_t lines_limit = 128;        // lines that are kept
  static constexpr std::size_t reply_limit = 1 << 20;    // octets of a whole reply: more is no reply
  static constexpr std::size_t text_limit = 1024;        // octets of text kept; EHLO gets more
  static constexpr std::size_t ehlo_text_limit = 64 << 10;

  explicit ReplyParser(std::size_t keep = text_limit) : keep_(keep) {}

  // Consumes octets up to the end of the reply, and returns how many. Only CRLF ends a line (RFC 5321 §2.3.8).
  std::size_t feed(std::string_view in);
  bool done() const noexcept { return done_; }
  // It is no reply: no code of 200 to 599, codes of different classes, text right after the code, or without end. Nothing
  // that follows can be understood.
  bool malformed() const noexcept { return malformed_; }
  ServerReply take();        // once done()

 private:
  void take_line(std::string_view line);
  void keep_text(std::string_view text);

  ServerReply reply_;
  std::string line_;               // the beginning of a line that goes on
  std::size_t keep_, octets_ = 0, lines_ = 0;
  bool cr_ = false;                // the last octet was a CR
  bool done_ = false, malformed_ = false;
};

}  // namespace mansio::smtp
