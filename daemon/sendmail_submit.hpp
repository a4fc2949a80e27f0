// Hands a message to the daemon over submit.sock, as an SMTP client (RFC 5321, BDAT of RFC 3030), blocking. Who we are
// the daemon asks the kernel. What it takes is durable when it says so; what becomes of each recipient is told apart.
#pragma once
#include <string>
#include <vector>

#include "base/status.hpp"
#include "mail/envelope.hpp"
#include "sendmail_content.hpp"

namespace mansio::sendmail {

struct Unsent {
  mail::Recipient recipient;
  Status status;
};

struct Outcome {
  std::size_t queued = 0;             // recipients the daemon has taken responsibility for
  std::vector<Unsent> refused;        // for good
  std::vector<Unsent> left;           // not now; nothing of it is queued
  bool reached = true;                // false: `left` because nobody answered, or not to the end
  bool uncertain = false;             // the connection ended after all was sent: `left` may be queued
  std::vector<std::string> replies;   // to the ends of data: "250 2.0.0 … queued as ID"
};

Outcome submit(const std::string& socket, const mail::Envelope& envelope, const Content& content);

}  // namespace mansio::sendmail
