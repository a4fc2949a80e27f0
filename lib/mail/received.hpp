// The Received field that we put on top of each message we take: RFC 5321 §4.4, `with` of RFC 3848 and RFC 6531 §4.3.
// Names from outside that are no domain or literal are left out, so the field is always well-formed (S-017, S-021).
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "mail/envelope.hpp"

namespace mansio::mail {

// The whole field with CRLF at its end, folded to 78 columns where its words allow it, never past 998. From the
// envelope: helo, client_name, client_address, protocol, received, and the recipient when there is only one (more would
// tell each of the others). Without a client address the message is from this machine: "from USER (uid N)".
// `hidden`, for a user's message: nothing of the client: "from localhost", for a name has to stand there (RFC 5321 §4.4).
enum class ReceivedFrom : std::uint8_t { shown, hidden };
std::string format_received(const Envelope& envelope, const std::string& host, const std::string& id,
                            std::optional<std::uint32_t> uid = std::nullopt, ReceivedFrom from = ReceivedFrom::shown);

}  // namespace mansio::mail
