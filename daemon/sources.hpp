// The configuration's texts on their way from the parent, who may read them, to the mail process, who parses them
// again: a memory file, lengths and bytes.
#pragma once
#include <vector>

#include "base/unique_fd.hpp"
#include "config/reader.hpp"

namespace mansio::daemon {

struct Sources {
  std::vector<config::Source> files;
  config::MachineFacts facts;
};

Result<UniqueFd> to_memory_file(const Sources& sources);
Result<Sources> from_memory_file(int fd);

}  // namespace mansio::daemon
