// The header of a submitted message, put in order (RFC 6409 §8): what is missing is added, addresses get a domain, and
// what the sender may not claim is taken out. Only for mail of our own users, never for mail that is relayed (RFC 5321
// §6.4). Pure; linear in the size of the header. All that isn't touched stays byte for byte, folding included.
//
// From, Date and Message-ID are added at the end of the header. As Postfix does it, addresses without a domain get
// mail_name, and a domain below one of `masquerade` becomes that one, in senders and recipients; one without a dot becomes
// the first of them. Both in From, Sender, Reply-To,
// To, Cc, Bcc and the Resent- forms of them. A list that can't be read is left alone, but for From. Sender is added as
// Exim does it, where From does not have the address of the login (RFC 6409 §8.1); one that claims somebody else goes.
// Return-Path and X-Authenticated-* go too: they are for the one who receives, and can only be forged here. Bcc stays,
// as with both of them: a mail program that sends it means it (RFC 5322 §3.6.3).
//
// A DKIM signature of the client's is kept, and may be broken by a change; `signature_broken` says so, for the log.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/quantity.hpp"
#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::mail {

struct SubmissionFacts {
  explicit SubmissionFacts(Domain name) : mail_name(std::move(name)) {}
  Domain mail_name;                        // for addresses that have no domain
  std::optional<Address> sender;           // of the envelope, already masqueraded; nullopt: "<>"
  std::optional<Address> login;            // see login_address(); nullopt: nobody logged in
  std::string message_id;                  // for a message without one, without brackets: unique, "x@host.name"
  Time now{};
  std::vector<std::string> masquerade;     // lower case, A-labels; the first that fits counts
  bool add_sender = false;                 // where From has another address than the login's (submission.senders is not "any")
  bool smtputf8 = false;                   // a field that is added may hold an address that is not ASCII
};

struct SubmissionHeader {
  std::string text;                        // the new header with the empty line at its end
  std::size_t replaces = 0;                // so many bytes of what was given
  std::vector<Address> from;               // as they are now: what a login's rights are checked against
  std::optional<Address> sender;           // of the Sender field, if there is one
  std::vector<std::string> done;           // "Date added", "To qualified", "Return-Path removed": for the log
  bool signature_broken = false;           // a change touched what a DKIM-Signature covers
};

// `message` begins with the message and holds at least its whole header. Fault::invalid: 554 5.6.0 with the Error's text:
// more than one From, Sender, Date or Message-ID (RFC 5322 §3.6), a From that can't be read, none that could be added, or
// a header that grew beyond all measure.
Result<SubmissionHeader> rewrite_submission(std::string_view message, const SubmissionFacts& facts);

// The addresses of From, which may be several (RFC 5322 §3.6.2); none when there is no From. Fault::invalid as above.
Result<std::vector<Address>> header_senders(std::string_view message, const Domain& mail_name);

// The address that a login name stands for: itself, or itself at mail_name. nullopt: it can't be one.
std::optional<Address> login_address(std::string_view login, const Domain& mail_name);

// `address` with its domain shortened to the one of `domains` that it is below; nullopt: it stays. For the envelope.
std::optional<Address> masqueraded(const Address& address, const std::vector<std::string>& domains);

}  // namespace mansio::mail
