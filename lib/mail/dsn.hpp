// Delivery status notifications: RFC 3461 §6, RFC 3464, multipart/report of RFC 6522. Pure: facts in, the content of a
// message out. It has CRLF line ends, no line over 998 octets, and header fields of its own in ASCII; text of remote
// hosts is cut, escaped and folded (S-019, S-143). RFC 6533's message/global forms are not written yet: an
// internationalised address goes as utf-8-addr-xtext, which RFC 6533 §3 allows in a 7-bit report.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/status.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

enum class DsnAction : std::uint8_t { failed, delayed, delivered, relayed, expanded };   // RFC 3464 §2.3.3

struct DsnRecipient {
  DsnRecipient(Address final_address, DsnAction act, Status why)
      : address(std::move(final_address)), action(act), status(std::move(why)) {}
  Address address;
  DsnAction action;
  Status status;
  std::string orcpt;           // as given at RCPT, "rfc822;xtext", or "": then no Original-Recipient is written
  std::string remote_host;     // who answered; "": the status is our own
  std::string remote_reply;    // what it answered, as it came; "": the status' own words
  std::optional<Time> last_attempt, will_retry_until;
};

struct Dsn {
  Dsn(std::string host, Address recipient) : reporting_host(std::move(host)), to(std::move(recipient)) {}
  std::string reporting_host;      // Reporting-MTA
  std::string mail_name;           // domain of the From address; "": reporting_host
  Address to;                      // the original's envelope sender
  std::string message_id;          // without angle brackets; unique, and the seed of the boundary
  std::string queue_id;            // of the original, told to the reader
  Time date{}, arrival{};
  std::string envid;               // xtext as given, or ""
  std::vector<DsnRecipient> recipients;
  std::string original;            // what is returned: header block, or the whole message when `full`
  bool full = false;               // RET=FULL: message/rfc822. Content that can't go so (NUL, bare CR or LF, lines
                                   // over 998) is cut down to its header
};

// Contains 8-bit bytes only when the returned original does (then BODY=8BITMIME) or `to` needs SMTPUTF8.
std::string format_dsn(const Dsn& dsn);

}  // namespace mansio::mail
