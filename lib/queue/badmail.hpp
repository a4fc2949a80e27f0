// Badmail: messages that can be neither delivered nor returned, such as a bounce that bounces, kept for the postmaster
// (RFC 5321 §6.1: never a report about a report). ID.eml is exactly the message, as mail programs open it; ID.reason
// says in words what happened and holds its envelope.
#pragma once
#include <string>
#include <string_view>

#include "spool/spool.hpp"

namespace mansio::queue {

// Blocks: for a thread. Both files (0600) are durable when it has returned without error; after an error nothing is
// promised. Doing it again for the same message replaces them. The directory is made when it is missing.
Result<> keep_badmail(const std::string& directory, const spool::Message& message, std::string_view reason);

}  // namespace mansio::queue
