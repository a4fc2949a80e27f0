// The block of bytes that one message is in an mbox file, made twice from the same content: once to be measured, once
// to be written. From_ line, content with From_ quoting, and a blank line at the end.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

// What the mark on a mailbox says (mbox.hpp): where a delivery begins, how long it is and what it must hold.
struct MboxMark {
  std::uint64_t start = 0, length = 0, checksum = 0;
  std::uint64_t from_line_checksum = 0;
  std::uint64_t from_line_length = 0;
};

std::string format_mark(const MboxMark& mark);
Result<MboxMark> parse_mark(std::string_view bytes);

using MboxSink = std::function<Result<>(std::string_view)>;

// Gives the block to `sink` in pieces. `lead` is what must come before the From_ line ("", "\n" or "\n\n").
Result<> write_mbox_block(const Job& job, int message, std::string_view lead, std::string_view from, const MboxSink& sink);

// Adds ">" before lines of the kind ">*From "; text comes in pieces cut anywhere.
class FromQuoting {
 public:
  // Appends the quoted text to `out`; up to four bytes may be held back until the next call or `finish`.
  void add(std::string_view text, std::string& out);
  void finish(std::string& out);          // what is held back, an end of line if the last lacks it, the blank line

 private:
  std::size_t matched_ = 0;               // bytes of "From " seen at the beginning of a line and held back
  bool at_start_ = true;                  // nothing but ">" stood on this line yet
  char last_ = '\n';
};

}  // namespace mansio::deliver
