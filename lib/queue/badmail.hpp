// Badmail: messages that can be neither delivered nor returned, such as a bounce that bounces, kept for the postmaster
// (RFC 5321 §6.1: never a report about a report). ID.eml is exactly the message, as mail programs open it; ID.reason
// says in words what happened and holds its envelope (mail/badmail.hpp).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "mail/badmail.hpp"
#include "spool/spool.hpp"

namespace mansio::queue {

// Blocks: for a thread. Both files (0600) are durable when it has returned without error; after an error nothing is
// promised. Doing it again for the same message replaces them. `envelope` has the recipients that failed, for whoever
// sends it again. The directory is made when it is missing.
Result<> keep_badmail(const std::string& directory, const spool::Message& message, mail::Envelope envelope, std::string_view reason);

// What an admin works on. All of it blocks. An id names two files of the directory and nothing else: it must be that of a
// message (spool::QueueId).

// In order of arrival; none when there is no directory.
std::vector<spool::QueueId> badmail_ids(const std::string& directory);

struct BadmailEntry {
  BadmailEntry() = default;
  std::uint64_t size = 0;                          // of the message
  Time kept{};
  std::optional<mail::BadmailReason> reason;       // nullopt: the file is not there, or not readable as one
};
// nullopt: it is gone.
std::optional<BadmailEntry> look_at_badmail(const std::string& directory, const spool::QueueId& id);

// The message, for sending it again: nobody else gets it so while the descriptor is open. Fault::not_found, Fault::busy.
Result<UniqueFd> take_badmail(const std::string& directory, const spool::QueueId& id);
// Both files, durably.
Result<> remove_badmail(const std::string& directory, const spool::QueueId& id);

}  // namespace mansio::queue
