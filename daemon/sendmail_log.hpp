// -Mvl: what the main log says of messages. There is no log of a single message, so the log files are searched: the
// present one and the one before it, with the caller's own rights; whoever may not read them is told so.
#pragma once
#include <string>

#include "sendmail_options.hpp"

namespace mansio::sendmail {

// The ids are the arguments. Prints the lines that name one of them, at most ten thousand.
Exit show_log(const std::string& log_directory, const Options& options);

// Does the line have the id as a word of its own?
bool names_id(std::string_view line, std::string_view id);

}  // namespace mansio::sendmail
