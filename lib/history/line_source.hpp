// Lines of one open log file, in blocks: from any offset to the end, or from the end to the beginning. A compressed file
// that is read backwards is unpacked into a nameless temporary file first.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio::history {

struct LogFile;

// A longer line is skipped.
inline constexpr std::size_t longest_line = std::size_t{1} << 20;

class Lines {
 public:
  virtual ~Lines() = default;
  // The next line that holds the text looked for; valid until the next call. False at the end or after an error.
  virtual bool next(std::string_view& line) = 0;

  std::string problem;             // why the end came too early
  std::uint64_t too_long = 0;
};

// `file` has to outlive them. `offset` only of a plain file; a line that begins before it isn't given. `needle` "": all.
std::unique_ptr<Lines> forward_lines(const LogFile& file, std::uint64_t offset, const std::string& needle);
Result<std::unique_ptr<Lines>> backward_lines(const LogFile& file, const std::string& needle);

}  // namespace mansio::history
