// Texts that the parent hands to the mail process in a memory file: each with its length before it. What was copied on the
// way is wiped, since some of it is secret.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace mansio::daemon {

// `name` is for /proc alone.
Result<UniqueFd> write_memory_file(const char* name, const std::vector<std::string_view>& texts);
// At most 64 MiB. Fault::invalid when it isn't what write_memory_file wrote; `what` stands in the error's text.
Result<std::vector<std::string>> read_memory_file(int fd, const char* what);

}  // namespace mansio::daemon
