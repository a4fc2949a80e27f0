// What a server offers, read from its answer to EHLO or LHLO (RFC 5321 §4.1.1.1). Pure. What is unknown or malformed is
// ignored: an extension that we aren't sure of isn't used.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::smtp {

// What EHLO offered; keywords in any case.
struct Capabilities {
  Capabilities() = default;
  bool esmtp = false;              // EHLO was accepted, not HELO
  bool pipelining = false, chunking = false, binarymime = false, eight_bit = false, smtputf8 = false, dsn = false,
       starttls = false, size = false;
  std::uint64_t size_limit = 0;    // of SIZE; 0: no fixed limit (RFC 1870 §4)
  std::uint32_t rcpt_max = 0, mail_max = 0, rcpt_domain_max = 0;   // LIMITS, RFC 9422; 0: not said
  std::vector<std::string> auth;   // mechanisms, upper case
};

// `text`: the lines of the reply without codes, '\n' between them; the first one greets and offers nothing.
Capabilities parse_capabilities(std::string_view text);

}  // namespace mansio::smtp
