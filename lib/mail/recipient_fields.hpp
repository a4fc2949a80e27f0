// The envelope as a header tells it, where nobody else does: `sendmail -t`, and files of pickup directories. Of the fields
// of RFC 5322 §3.6.3, or of their Resent- forms when any Resent- field is there (§3.6.6).
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

// Of To, Cc and Bcc, duplicates kept. Fault::invalid: a list that can't be read; the text names its field.
Result<std::vector<Address>> header_recipients(std::string_view header, const Domain& qualify);

// Of Sender, else the first of From; nullopt: neither is there. Fault::invalid as above.
Result<std::optional<Address>> header_sender(std::string_view header, const Domain& qualify);

// Bcc or Resent-Bcc, which nobody who gets the message is to see.
bool is_bcc(std::string_view name);

}  // namespace mansio::mail
