// What `mailq`, `newaliases`, `runq` and -bv ask the daemon over control.sock: one JSON object a line each way. An
// answer is any number of lines, the last one has "end": true. "error" (and "denied": true) refuses.
//
//   {"command":"queue_list"}     {"id","sender","age_seconds","size","frozen","recipients":[{"address","done"}],
//                                "reason","next_attempt"} …  {"end":true,"complete":true}
//   {"command":"queue_run","force":true,"recipient":"…","sender":"…","id":"…"}     {"end":true,"text":"…"}
//   {"command":"reload_aliases"}                 {"problem":"file:line: text"} …    {"end":true,"aliases":12}
//   {"command":"route","address":"…"}            {"line":"…"} …                     {"end":true}
#pragma once
#include <string>

#include "sendmail_options.hpp"

namespace mansio::sendmail {

// Exim's listing of one message, from its JSON line; "" when the line isn't a message.
std::string format_listing(std::string_view json_line, bool undelivered_only, bool with_reason);

// Print to stdout, complain to stderr.
Exit list_queue(const std::string& socket, const Options& options);
Exit run_queue(const std::string& socket, const Options& options);
Exit reload_aliases(const std::string& socket);
Exit show_routes(const std::string& socket, const Options& options);

}  // namespace mansio::sendmail
