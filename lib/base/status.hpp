// One outcome in the words of SMTP: basic code (RFC 5321 §4.2), enhanced code (RFC 3463) and text. The same
// value becomes the reply of a session, the outcome of a delivery, a field of a DSN and the text of a log line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio {

struct EnhancedCode {
  std::uint8_t klass = 0;       // 2, 4 or 5; 0: none (greeting, HELO/EHLO, 3yz: RFC 2034 §4)
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;
  bool operator==(const EnhancedCode&) const = default;
};

class Status {
 public:
  Status() : code_(250), enhanced_{2, 0, 0}, text_("OK") {}
  // The class digit of `enhanced` is code/100 (RFC 2034 §4); `text` has no code in it and may hold '\n' for a
  // reply of several lines. Control characters in it are escaped when it is written, not here.
  Status(int code, std::uint16_t subject, std::uint16_t detail, std::string text);
  // Without an enhanced code: greeting, EHLO, 3yz.
  Status(int code, std::string text);

  // For trouble of our own, which is never the message's fault: full → 452 4.3.1, else 451 4.3.0. The error's text stays
  // with us (S-147).
  static Status from_error(const Error& error);

  int code() const noexcept { return code_; }
  EnhancedCode enhanced() const noexcept { return enhanced_; }
  std::string enhanced_text() const;    // "5.1.1", or "" when there is none
  const std::string& text() const noexcept { return text_; }

  bool ok() const noexcept { return code_ / 100 == 2; }
  bool temporary() const noexcept { return code_ / 100 == 4; }
  bool permanent() const noexcept { return code_ / 100 == 5; }

  // "550 5.1.1 no such user", one line, for logs and DSNs; newlines become spaces.
  std::string line() const;

 private:
  int code_;
  EnhancedCode enhanced_;
  std::string text_;
};

}  // namespace mansio
