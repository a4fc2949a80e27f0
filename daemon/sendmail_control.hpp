// What `mailq`, `newaliases`, `runq`, -bt, -bv and the queue verbs ask the daemon over control.sock: one JSON object a line
// each way; lib/control/session.hpp has the commands.
#pragma once
#include <string>

#include "sendmail_options.hpp"

namespace mansio::sendmail {

// Exim's listing of one message, from its JSON line; "" when the line isn't a message.
std::string format_listing(std::string_view json_line, bool undelivered_only, bool with_reason);

// Print to stdout, complain to stderr.
Exit list_queue(const std::string& socket, const Options& options);
Exit count_queue(const std::string& socket);
Exit run_queue(const std::string& socket, const Options& options);
Exit act_on_messages(const std::string& socket, const Options& options);
Exit show_messages(const std::string& socket, const Options& options);
Exit reload_aliases(const std::string& socket);
Exit show_routes(const std::string& socket, const Options& options);

}  // namespace mansio::sendmail
