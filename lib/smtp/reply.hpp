// Replies on the wire: RFC 5321 §4.2, enhanced codes on each line as RFC 2034 §4 wants. Lines are at most 512 octets
// (§4.5.3.1.5); bytes that are not printable ASCII are escaped, so text from anywhere can stand in a Status.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace mansio::smtp {

// Appends the reply with CRLF to `out`. Lines of the text ('\n') become lines of the reply; a longer one is cut into several.
void append_reply(std::string& out, const Status& status);
std::string format_reply(const Status& status);

// "250-HOST", then one keyword a line. Without keywords a single line (also the answer to HELO).
std::string format_ehlo(std::string_view host, std::span<const std::string> keywords);

}  // namespace mansio::smtp
