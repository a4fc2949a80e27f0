// Line ends of messages that programs of this machine write: whatever they are, CRLF goes to the spool (RFC 5321 §2.3.8).
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::mail {

// Lines that end in LF, CRLF or CR become lines that end in CRLF; a run of CRs before an LF is one line end.
class LineNormalizer {
 public:
  explicit LineNormalizer(bool dot_ends) : dot_ends_(dot_ends) {}
  // Appends to `out`. NUL is Fault::invalid. After ended() input is ignored.
  Result<> feed(std::string_view in, std::string& out);
  void finish(std::string& out);          // ends a last line that lacks its end
  bool ended() const noexcept { return ended_; }

 private:
  void end_line(std::string& out);
  bool dot_ends_;
  bool ended_ = false, cr_ = false, dot_ = false;   // dot_: the line is "." so far, held back
  std::size_t column_ = 0;
};

}  // namespace mansio::mail
