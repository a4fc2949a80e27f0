// Content on its way out: the dots of DATA (RFC 5321 §4.5.2), and the guard that no bare CR or LF leaves us, in DATA or in
// BDAT (§2.3.8). Pure; pieces may be cut anywhere. The counterpart of DataDecoder.
#pragma once
#include <string>
#include <string_view>

namespace mansio::smtp {

class Stuffing {
 public:
  // Appends `piece` to `out` as DATA wants it. False: it holds a bare CR or LF, and `out` is not to be sent.
  bool stuff(std::string_view piece, std::string& out) { return pass(piece, &out); }
  // For BDAT: looks only.
  bool check(std::string_view piece) { return pass(piece, nullptr); }

  // The content is at its end: false when it ended with a bare CR.
  bool whole() const noexcept { return at_ != At::cr; }
  // Ends DATA: a last line without CRLF gets one (§4.1.1.4), then the dot. Only after whole().
  void finish(std::string& out);

 private:
  enum class At : unsigned char { line_start, text, cr };
  bool pass(std::string_view piece, std::string* out);

  At at_ = At::line_start;
};

}  // namespace mansio::smtp
