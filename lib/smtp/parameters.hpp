// The parts of a MAIL or RCPT line: the path in angle brackets and the ESMTP parameters after it (RFC 5321 §4.1.2).
// Used by the command parser alone.
#pragma once
#include <expected>
#include <optional>
#include <string_view>

#include "base/status.hpp"
#include "smtp/command.hpp"

namespace mansio::smtp {

struct Path {
  std::string_view mailbox;   // inside of <>, source route stripped; "" for <>
  std::string_view rest;      // what follows the '>'
};
// RFC 5321 §4.1.2 Path; a blank before the '<' is tolerated. Nullopt: no well-formed path.
std::optional<Path> split_path(std::string_view text);

// The parameters of `text`, "" or blank-led; the Status that refuses the first wrong one.
std::expected<void, Status> parse_mail_parameters(std::string_view text, bool allow_smtputf8, MailArguments& out);
std::expected<void, Status> parse_rcpt_parameters(std::string_view text, bool allow_smtputf8, RcptArguments& out);

}  // namespace mansio::smtp
