// The first part of a report, which people read: templates filled in with the facts of a Dsn. UTF-8, CRLF line ends.
#pragma once
#include <string>

#include "mail/dsn.hpp"

namespace mansio::mail {

std::string dsn_text(const Dsn& dsn, const ReportTemplate& words);
TemplateKind dsn_kind(const Dsn& dsn) noexcept;

// What was said about a recipient, in one line of printable ASCII of at most 2000 octets or so.
std::string dsn_reason(const DsnRecipient& recipient);
// ORCPT's address, decoded: "" when there is none or it can't be shown.
std::string dsn_original_address(const DsnRecipient& recipient);
// Printable ASCII of anything, at most about `limit` octets.
std::string dsn_printable(std::string_view text, std::size_t limit);

}  // namespace mansio::mail
