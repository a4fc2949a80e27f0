// The files of one log, opened: found by name, ordered by what they hold. Opening them all at once is what makes a walk
// immune to a rotation during it: a file that is renamed or compressed meanwhile stays open as it was.
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "history/line.hpp"

namespace mansio::history {

struct LogFile {
  std::string path;
  UniqueFd fd;
  bool compressed = false;
  std::uint64_t size = 0;        // when it was opened; what is written later isn't read
  std::uint64_t device = 0, inode = 0;
  Time first{};                  // of its first line that has a time
  std::int64_t rank = 0;         // by its name; larger is younger
};

struct LogFiles {
  std::vector<LogFile> files;                // from old to young; those that hold no line of a log are left out
  std::vector<std::string> problems;
};

// `log` and its rotated ones in `directory`: log.N, log-DATE, each with .gz or without.
Result<LogFiles> open_logs(const std::string& directory, const std::string& log);
// Just these.
LogFiles open_logs(const std::vector<std::string>& paths);

}  // namespace mansio::history
