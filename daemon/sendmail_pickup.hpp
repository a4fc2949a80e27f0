// Leaves a message in the pickup directory for a daemon that doesn't run (mail/pickup.hpp tells the format). When the
// call has succeeded the message survives a power cut. A killed process leaves a file ".tmp-…" that is never sent.
#pragma once
#include <string>

#include "mail/envelope.hpp"
#include "sendmail_content.hpp"

namespace mansio::sendmail {

// The file's name, 128 random bits in hex. It can't be guessed and the directory can't be listed by others, so the file
// may be readable for the daemon's user (0644) and yet is not for other users.
Result<std::string> leave_for_pickup(const std::string& directory, const mail::Envelope& envelope, const Content& content);

}  // namespace mansio::sendmail
