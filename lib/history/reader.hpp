// Walks the log files of a directory as logrotate leaves them: mainlog, mainlog.1, mainlog.2.gz, mainlog-20261120.gz. Which
// is older is read from their first lines, not from their names. Memory is bounded whatever the files hold; a rotation
// while reading loses and repeats nothing; the order is that of the files, so times may go back by the little that lines
// of several processes do. Synchronous: for programs, not for the event loop.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "history/line.hpp"

namespace mansio::history {

struct Query {
  std::string directory{};                 // log_directory
  std::string log = "mainlog";             // or "rejectlog"; the .json files are read where there are no others
  std::vector<std::string> files{};        // these instead of the directory's, .gz or not
  std::optional<Time> since{}, until{};    // from `since` on, before `until`
  std::string id{};                        // only lines that mention this message (a bounce's arrival does, too); fast
  bool newest_first = false;
};

// What was read besides the lines that were given.
struct Walk {
  std::vector<std::string> files{};        // as they were read
  std::vector<std::string> problems{};     // "PATH: text": a file that could not be read, or not to its end
  std::uint64_t lines = 0;                 // given to `each`
  std::uint64_t unknown = 0;               // without a time stamp, or too long
};

// Gets the line as it stands in the file (without its end; valid during the call) and what it says. False: enough.
// The indented lines of a reject log are part of the record above them when read from old to new.
using EachLine = std::function<bool(std::string_view text, const Record& record)>;

// Fails only when there is no log to read at all (Fault::not_found, or why the directory can't be read).
Result<Walk> read(const Query& query, const EachLine& each);

// "2h" or "1d" ago, "2026-11-20", "2026-11-20 14:30", "2026-11-20T14:30:00", "now", "today", "yesterday"; local time.
Result<Time> parse_when(std::string_view text, Time now);

}  // namespace mansio::history
