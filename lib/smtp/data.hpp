// The content of a message as it comes off the wire, in pieces cut anywhere: DATA with its dots (RFC 5321 §4.5.2), or
// the chunks of BDAT (RFC 3030). Only CRLF ends a line and only CRLF.CRLF ends data (§2.3.8, §4.1.1.4), whatever the
// mode: that is what stops smuggling (S-059…S-073). No copy: content comes out as spans of the input.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace mansio::smtp {

// A bare CR or LF in content that is not BINARYMIME.
enum class BareNewline : std::uint8_t {
  reject,      // reported by bare_newline(); data is consumed to its real end, the content from there on is dropped
  normalize,   // becomes CRLF; the line it starts can't end the data, and its dots are content
};

enum class Framing : std::uint8_t {
  dots,        // DATA
  chunks,      // BDAT: the caller counts octets and calls finish() after the last chunk
  binary,      // BDAT with BODY=BINARYMIME: every octet is content
};

class DataDecoder {
 public:
  explicit DataDecoder(Framing framing, BareNewline mode = BareNewline::reject) : framing_(framing), mode_(mode) {}

  // Consumes `in`, all of it unless the data ends within, and appends spans of content to `spans`: parts of `in`, or
  // static bytes. They are valid as long as `in`. Returns the number of octets consumed; what follows is the next command.
  std::size_t feed(std::string_view in, std::vector<std::string_view>& spans);
  // Framing::chunks: the last chunk is through. A CR at its very end is bare.
  void finish(std::vector<std::string_view>& spans);

  bool ended() const noexcept { return ended_; }                  // Framing::dots: the final dot was seen
  bool bare_newline() const noexcept { return bare_; }
  std::uint64_t octets() const noexcept { return octets_; }       // of content, without stuffed dots (RFC 1870 §5)

 private:
  enum class At : std::uint8_t { line_start, dot, dot_cr, text, cr };
  void emit(std::string_view bytes, std::vector<std::string_view>& spans);
  void bare(std::vector<std::string_view>& spans);
  std::size_t feed_text(std::string_view in, std::vector<std::string_view>& spans);
  void feed_start(char c, std::size_t& at);
  void feed_dot_cr(char c, std::size_t& at, std::vector<std::string_view>& spans);
  void feed_cr(char c, std::size_t& at, std::vector<std::string_view>& spans);

  Framing framing_;
  BareNewline mode_;
  At at_ = At::line_start;     // the CRLF of the DATA command counts: ".\r\n" first is an empty message
  bool ended_ = false, bare_ = false;
  std::uint64_t octets_ = 0;
};

}  // namespace mansio::smtp
