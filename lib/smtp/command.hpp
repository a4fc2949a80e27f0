// SMTP and LMTP commands: one line in, a typed Command or the Status that refuses it out. RFC 5321 §4.1 with SIZE (1870),
// 8BITMIME (6152), CHUNKING and BINARYMIME (3030), SMTPUTF8 (6531), DSN (3461), STARTTLS (3207), AUTH (4954), ETRN (1985),
// ATRN (2645); TURN (RFC 821) is known, and never done.
// Pure: neither the order of commands nor what a listener offers is known here. Nothing with a control byte passes.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.hpp"
#include "crypto/secret.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"

namespace mansio::smtp {

enum class Verb : std::uint8_t {
  ehlo, helo, lhlo, mail, rcpt, data, bdat, rset, noop, quit, vrfy, expn, help, etrn, starttls, auth, atrn, turn,
};
constexpr std::size_t verb_count = 18;

// The verb of a line in any case, also when its arguments are nonsense; nullopt: unknown.
std::optional<Verb> verb_of(std::string_view line) noexcept;
std::string_view verb_name(Verb verb) noexcept;                // "MAIL"

struct HelloArguments {
  std::string name;                          // domain or address literal, as sent
};

struct MailArguments {
  std::optional<mail::Address> path;         // nullopt: <>
  std::optional<std::uint64_t> size;         // SIZE=; saturated
  mail::Body body = mail::Body::unspecified;
  mail::Return ret = mail::Return::unspecified;
  bool smtputf8 = false;
  std::string envid, auth;                   // xtext as given, checked
  bool extended = false;                     // any parameter at all: not allowed after HELO
};

struct RcptArguments {
  std::optional<mail::Address> path;         // nullopt: <postmaster> without domain (RFC 5321 §4.5.1)
  std::uint8_t notify = 0;                   // mail::Notify bits
  std::string orcpt;                         // "type;xtext" as given, checked
  bool extended = false;
};

struct BdatArguments {
  std::uint64_t size = 0;                    // saturated
  bool last = false;
};

// ETRN (RFC 1985 §5.2): a domain, "@" and a domain with all below it, "#" and the name of a queue.
struct EtrnArguments {
  enum class Node : std::uint8_t { domain, below, queue };
  Node node = Node::domain;
  std::string name;                          // a domain's key (Domain::key()); a queue's as given
  std::string text;                          // as given, for the answer
};

struct AtrnArguments {
  std::vector<std::string> domains;          // keys; none: all that the client may have
};

struct TextArguments {                       // VRFY, EXPN, HELP, NOOP: whatever follows
  std::string text;
  bool smtputf8 = false;                     // VRFY, EXPN: RFC 6531 §3.7.4.2
};

struct AuthArguments {
  std::string mechanism;                     // upper case
  std::optional<crypto::Secret> initial;     // base64 or "=", not decoded
};

struct Command {
  explicit Command(Verb v) : verb(v) {}
  Verb verb;
  std::variant<std::monostate, HelloArguments, MailArguments, RcptArguments, BdatArguments, TextArguments, AuthArguments, EtrnArguments, AtrnArguments>
      arguments;                             // by verb; monostate: DATA, RSET, QUIT, STARTTLS
};

using ParsedCommand = std::expected<Command, Status>;

// `line` without its CRLF, bounded by the caller. `allow_smtputf8`: for MAIL, VRFY and EXPN that we offer it; for RCPT
// that the transaction's MAIL gave it.
//   500 5.5.2  no such verb, a control byte in the line
//   501 5.5.4  wrong, missing or repeated argument; 501 without enhanced code for EHLO and HELO (RFC 2034 §4)
//   501 5.1.7, 5.1.3  syntax of the reverse-path, of the forward-path (RFC 3463 §3.2)
//   501 5.5.2  8-bit bytes where none may be
//   553 5.6.7  a UTF-8 address without SMTPUTF8 (RFC 6531 §3.5)
//   555 5.5.4  MAIL or RCPT parameter that is not known (RFC 5321 §4.1.1.11)
// `mail_name`: the domain of MAIL and RCPT paths that have none (submission); "": those are refused.
ParsedCommand parse_command(std::string_view line, bool allow_smtputf8, std::string_view mail_name = {});

}  // namespace mansio::smtp
