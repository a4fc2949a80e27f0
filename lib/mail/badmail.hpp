// What stands in the file beside a message of badmail_directory, ID.reason: in words what happened to ID.eml, and how it
// can be sent after all. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "mail/envelope.hpp"

namespace mansio::mail {

struct BadmailReason {
  std::string id;
  std::string why;                       // lines, no control bytes but the line ends
  std::optional<Envelope> envelope;      // of a message that could be neither delivered nor returned
  std::string file, owner;               // else it is a file of a pickup directory as it was found there: its path, and whose it was
};

std::string format_badmail(const BadmailReason& reason, Time kept);
// Fault::invalid: it is no such text, or an envelope that can't be read.
Result<BadmailReason> parse_badmail(std::string_view text);

}  // namespace mansio::mail
