// What SMTP knows of a message apart from its content: who sent it, to whom, how it came and what was asked of us.
// One text form serves the journal, the files of deferred/ and the pickup directory: lines "key: value", one field
// each, values escaped so that no byte from outside can start a new line (S-011). Readable with less.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

enum class Body : std::uint8_t { unspecified, seven_bit, eight_bit, binary };   // RFC 6152, RFC 3030
enum class Return : std::uint8_t { unspecified, full, headers };                // RFC 3461 §4.3

// NOTIFY of RFC 3461 §4.1; 0 means not given, `never` stands alone.
struct Notify {
  static constexpr std::uint8_t never = 1, success = 2, failure = 4, delay = 8;
};

struct Recipient {
  explicit Recipient(Address a) : address(std::move(a)) {}
  Address address;
  std::string orcpt;            // as given, "rfc822;xtext", or ""
  std::uint8_t notify = 0;
};

struct Envelope {
  std::optional<Address> sender;         // nullopt: the null reverse-path <>
  std::vector<Recipient> recipients;
  Time received{};
  Body body = Body::unspecified;
  Return ret = Return::unspecified;
  bool smtputf8 = false;
  std::string envid;                     // xtext as given
  std::string auth;                      // MAIL AUTH=, xtext as given
  std::string helo, client_name, client_address;   // client_address: "192.0.2.1" or "" for local
  std::uint16_t client_port = 0;
  std::string protocol;                  // RFC 3848: "ESMTP", "local"
  std::string user;                      // local submitter or authenticated login
  std::string reply_to_id;               // a bounce: queue id of the message it answers
  std::vector<std::string> delivered_to; // Delivered-To fields it came with: who has had it (forwarding loops)

  std::string sender_text() const { return sender ? sender->text() : std::string(); }
};

// The text form, ending in an empty line. `parse_envelope` takes exactly what `format_envelope` gives; unknown keys are an error.
std::string format_envelope(const Envelope& envelope);
Result<Envelope> parse_envelope(std::string_view text);

}  // namespace mansio::mail
