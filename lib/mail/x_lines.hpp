// The envelope in the lines that the SMTP service of Windows read and wrote: "X-Sender: a@example.org" and one
// "X-Receiver: b@example.org" a recipient, before the header of the message itself. Files of drop directories begin with
// them, and files of pickup directories may. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

// The lines, each with CRLF at its end, no empty line after them. Addresses as they go on the wire (Address::text()),
// without brackets, as that service wrote them; "" is the null sender and stands as "<>". A control byte, which no Address
// holds, becomes '?'.
std::string format_x_lines(std::string_view sender, const std::vector<std::string>& recipients);

// A message as a program writes it into a file, with its envelope.
struct Letter {
  std::optional<Address> sender;       // nullopt: the null sender, or nobody is named
  bool names_sender = false;
  std::vector<Address> recipients;     // each once, in order
  std::string header;                  // as it is to be sent, its empty line too: no X lines, no Bcc
  std::size_t header_size = 0;         // of the text that was read: the body begins there
};

// `text` begins with the letter, holds at least its whole header, and has CRLF line ends. X-Sender and X-Receiver count
// wherever they stand in the header; an address may have a name and brackets, and one without a domain gets `qualify`. No
// X-Sender: the address of Sender or From. No X-Receiver: those of To, Cc and Bcc (mail/recipient_fields.hpp). What comes
// before the header, an mbox's "From " line or the mark that Windows' editor puts before UTF-8, is left out.
// Fault::invalid: no header, no recipients, more than `most` of them, two X-Sender, an address that can't be read.
Result<Letter> parse_letter(std::string_view text, const Domain& qualify, std::size_t most);

}  // namespace mansio::mail
