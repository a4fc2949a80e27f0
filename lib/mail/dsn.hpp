// Delivery status notifications: RFC 3461 §6, RFC 3464, multipart/report of RFC 6522, internationalised by RFC 6533. Pure:
// facts in, the content of a message out. It has CRLF line ends, no line over 998 octets, and header fields of its own
// in ASCII (but for an internationalised To); text of remote hosts is cut, escaped and folded (S-019, S-143).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/status.hpp"
#include "mail/address.hpp"
#include "mail/templates.hpp"

namespace mansio::mail {

enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed, expanded };   // RFC 3464 §2.3.3

struct DsnRecipient {
  DsnRecipient(Address final_address, DsnAction act, Status why)
      : address(std::move(final_address)), action(act), status(std::move(why)) {}
  Address address;
  DsnAction action;
  Status status;
  std::string orcpt;           // as given at RCPT, "rfc822;xtext", or "": then no Original-Recipient is written
  std::string remote_host;     // who answered, "mx.example [192.0.2.1]:25"; "": the status is our own
  std::string remote_reply;    // what it answered, as it came; "": the status' own words
  std::optional<Time> last_attempt, will_retry_until;
};

struct Dsn {
  Dsn(std::string host, Address recipient) : reporting_host(std::move(host)), to(std::move(recipient)) {}
  std::string reporting_host;      // Reporting-MTA
  std::string mail_name;           // domain of the From address; "": reporting_host
  Address to;                      // the original's envelope sender
  std::string postmaster;          // whom to ask; "": postmaster@ the reporting host
  std::string message_id;          // without angle brackets; unique, and the seed of the boundary
  std::string queue_id;            // of the original, told to the reader
  Time date{}, arrival{};
  std::string envid;               // xtext as given, or ""
  std::vector<DsnRecipient> recipients;
  std::string original;            // what is returned: header block, or the whole message when `full`
  bool full = false;               // RET=FULL: message/rfc822. Content that can't go so (NUL, bare CR or LF, lines
                                   // over 998) is cut down to its header
  bool utf8 = false;               // the sender's side speaks SMTPUTF8: message/global-delivery-status, addresses as they
                                   // are. Else they are escaped as utf-8-addr-xtext (RFC 6533 §3)
};

// Contains 8-bit bytes only when the returned original does or with `utf8` (then BODY=8BITMIME), or when `to` needs
// SMTPUTF8. The words for people are of the one of `templates` that fits the actions.
std::string format_dsn(const Dsn& dsn, const ReportTemplates& templates = default_templates());

}  // namespace mansio::mail
