#include "mail/dsn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"

namespace mansio::mail {
namespace {

constexpr std::array<std::string_view, 5> dsn_actions{"failed", "delayed", "delivered", "relayed", "expanded"};
constexpr std::size_t line_octets = 998, quote_limit = 2000;

// Printable ASCII of anything: RFC 3464 §2.1.1 wants 7-bit fields.
std::string printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (char c : escape(text.substr(0, limit), limit)) {
    if (is_8bit(c)) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

// One field, folded at blanks before column 78, and in any case before 998 (RFC 5322 §2.1.1).
std::string folded(std::string_view name, std::string_view value) {
  std::string out = fmt::format("{}:", name);
  std::size_t column = out.size();
  for (std::string_view word : split(value, ' ')) {
    if (word.empty()) continue;
    if (column + 1 + word.size() > 78 && column > name.size() + 1) {
      out += "\r\n";
      column = 0;
    }
    out += ' ';
    for (; word.size() > 900; word.remove_prefix(900)) out.append(word.substr(0, 900)) += "\r\n ";
    out += word;
    column += 1 + word.size();
  }
  return out + "\r\n";
}

// RFC 6533 §3 utf-8-addr-xtext: a code point outside of ASCII as \x{HEX}. `text` is valid UTF-8.
std::string utf8_addr_xtext(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(text[k])); };
    unsigned lead = byte(i++);
    if (lead < 0x80) {
      bool plain = lead > ' ' && lead < 0x7f && lead != '\\' && lead != '+' && lead != '=';
      out += plain ? std::string(1, static_cast<char>(lead)) : fmt::format("\\x{{{:02X}}}", lead);
      continue;
    }
    unsigned tails = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    unsigned point = lead & (0x3fu >> tails);
    for (; tails > 0 && i < text.size(); --tails) point = point << 6 | (byte(i++) & 0x3f);
    out += fmt::format("\\x{{{:X}}}", point);
  }
  return out;
}

std::string typed_address(const Address& address) {
  if (address.needs_smtputf8()) return "utf-8;" + utf8_addr_xtext(address.text());
  return "rfc822;" + address.text();
}

// RFC 3461 §6.3 (d): the original recipient decoded from xtext. ORCPT of other types goes as it stands.
std::string original_recipient(const std::string& orcpt) {
  auto semicolon = orcpt.find(';');
  if (semicolon == std::string::npos) return printable(orcpt, 500);
  auto decoded = xtext_decode(std::string_view(orcpt).substr(semicolon + 1));
  if (!decoded || iequals(std::string_view(orcpt).substr(0, semicolon), "utf-8")) return printable(orcpt, 500);
  return printable(orcpt.substr(0, semicolon), 64) + ";" + printable(*decoded, 500);
}

// The words that answer "why", for people and for Diagnostic-Code.
std::string reason(const DsnRecipient& recipient) {
  std::string text = recipient.remote_reply.empty() ? recipient.status.line() : recipient.remote_reply;
  std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return printable(trim(text), quote_limit);
}

std::string per_message(const Dsn& dsn) {
  std::string out = folded("Reporting-MTA", "dns; " + dsn.reporting_host);
  auto envid = xtext_decode(dsn.envid);
  if (!dsn.envid.empty() && envid) out += folded("Original-Envelope-Id", printable(*envid, 200));   // RFC 3461 §6.3 (b)
  if (dsn.arrival != Time{}) out += "Arrival-Date: " + format_date(dsn.arrival) + "\r\n";
  return out;
}

// RFC 3464 §2.3
std::string per_recipient(const DsnRecipient& recipient) {
  std::string out = "\r\n";
  if (!recipient.orcpt.empty()) out += folded("Original-Recipient", original_recipient(recipient.orcpt));
  out += folded("Final-Recipient", typed_address(recipient.address));
  out += fmt::format("Action: {}\r\n", dsn_actions[static_cast<std::size_t>(recipient.action)]);
  std::string enhanced = recipient.status.enhanced_text();
  out += fmt::format("Status: {}\r\n", enhanced.empty() ? fmt::format("{}.0.0", recipient.status.code() / 100) : enhanced);
  if (!recipient.remote_host.empty()) out += folded("Remote-MTA", "dns; " + printable(recipient.remote_host, 255));
  out += folded("Diagnostic-Code", "smtp; " + reason(recipient));
  if (recipient.last_attempt) out += "Last-Attempt-Date: " + format_date(*recipient.last_attempt) + "\r\n";
  if (recipient.will_retry_until && recipient.action == DsnAction::delayed) {   // RFC 3464 §2.3.9: only there
    out += "Will-Retry-Until: " + format_date(*recipient.will_retry_until) + "\r\n";
  }
  return out;
}

bool any(const Dsn& dsn, DsnAction action) {
  return std::ranges::any_of(dsn.recipients, [&](const DsnRecipient& r) { return r.action == action; });
}

std::string_view subject(const Dsn& dsn) {
  if (any(dsn, DsnAction::failed)) return "Undelivered mail returned to sender";
  if (any(dsn, DsnAction::delayed)) return "Delayed mail (still being retried)";
  return "Successful mail delivery report";
}

std::string human_list(const Dsn& dsn, DsnAction action, std::string_view introduction) {
  if (!any(dsn, action)) return {};
  std::string out = fmt::format("{}\r\n\r\n", introduction);
  for (const DsnRecipient& recipient : dsn.recipients) {
    if (recipient.action != action) continue;
    std::string address = recipient.address.needs_smtputf8() ? utf8_addr_xtext(recipient.address.text())
                                                             : recipient.address.text();
    out += fmt::format("  <{}>\r\n", address);
    if (!recipient.remote_host.empty()) out += fmt::format("    host {} said:\r\n", printable(recipient.remote_host, 255));
    std::string why = folded("", reason(recipient));   // ": words", folded like a field
    out += "   " + why.substr(1);
    if (recipient.will_retry_until && action == DsnAction::delayed) {
      out += fmt::format("    will be tried until {}\r\n", format_date(*recipient.will_retry_until));
    }
  }
  return out + "\r\n";
}

std::string human_part(const Dsn& dsn) {
  std::string out = fmt::format("This is the mail system at {}.\r\n\r\n", dsn.reporting_host);
  out += human_list(dsn, DsnAction::failed, "Your message could not be delivered to:");
  out += human_list(dsn, DsnAction::delayed,
                    "Your message has not been delivered yet to:\r\n(No need to send it again.)");
  out += human_list(dsn, DsnAction::delivered, "Your message was delivered to:");
  out += human_list(dsn, DsnAction::relayed, "Your message was passed on to a host that sends no reports, for:");
  out += human_list(dsn, DsnAction::expanded, "Your message was passed on to the members of:");
  if (!dsn.queue_id.empty()) out += fmt::format("Its queue id here was {}.\r\n", printable(dsn.queue_id, 64));
  return out;
}

// Can the content go into a message/rfc822 part unchanged?
bool fits_rfc822(std::string_view text) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
    if (text[i] != '\n') continue;
    if (i == 0 || text[i - 1] != '\r' || i - start > line_octets + 1) return false;
    start = i + 1;
  }
  return text.size() - start <= line_octets;
}

// Header lines made fit: CRLF ends, no NUL or bare CR, a longer line broken by folding, no empty line.
std::string fit_headers(std::string_view text) {
  HeaderReader reader(text);
  std::string out;
  while (auto field = reader.next()) {
    std::size_t column = 0;
    for (std::string_view line : split(field->raw, '\n')) {
      while (line.ends_with('\r')) line.remove_suffix(1);
      if (trim(line).empty()) continue;
      for (char c : line) {
        if (column++ == 990) {
          out += "\r\n ";
          column = 2;
        }
        out += c == '\0' || c == '\r' ? '?' : c;
      }
      out += "\r\n";
      column = 0;
    }
  }
  return out;
}

// A boundary that occurs nowhere in what it separates (RFC 2046 §5.1.1; S-135).
std::string boundary_for(const Dsn& dsn, std::string_view content) {
  std::string seed;
  for (char c : dsn.message_id.substr(0, 40)) seed += is_alnum(c) ? c : '.';
  for (int i = 0;; ++i) {
    std::string boundary = fmt::format("=_{}_{}_=", seed, i);
    if (content.find(boundary) == content.npos) return boundary;
  }
}

std::string message_header(const Dsn& dsn, const std::string& boundary, bool eight_bit) {
  const std::string& domain = dsn.mail_name.empty() ? dsn.reporting_host : dsn.mail_name;
  std::string out = fmt::format("Date: {}\r\n", format_date(dsn.date));
  out += fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\r\n", domain);
  out += fmt::format("To: <{}>\r\n", dsn.to.text());
  out += fmt::format("Subject: {}\r\nMessage-ID: <{}>\r\n", subject(dsn), dsn.message_id);
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";   // RFC 3834 §5
  out += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n", boundary);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  return out + "\r\n";
}

}  // namespace

std::string format_dsn(const Dsn& dsn) {
  bool full = dsn.full && fits_rfc822(dsn.original);
  std::string original = full ? dsn.original : fit_headers(dsn.original);
  std::string text = human_part(dsn), status = per_message(dsn);
  for (const DsnRecipient& recipient : dsn.recipients) status += per_recipient(recipient);
  bool eight_bit = !is_ascii(original);
  std::string boundary = boundary_for(dsn, text + status + original);

  std::string out = message_header(dsn, boundary, eight_bit);
  out += fmt::format("This is a report in MIME format (RFC 3464).\r\n\r\n--{}\r\n", boundary);
  out += "Content-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + text;
  out += fmt::format("\r\n--{}\r\nContent-Description: Delivery report\r\n", boundary);
  out += "Content-Type: message/delivery-status\r\n\r\n" + status;
  out += fmt::format("\r\n--{}\r\nContent-Description: {}\r\n", boundary, full ? "Original message" : "Headers of the original message");
  out += full ? "Content-Type: message/rfc822\r\n" : "Content-Type: text/rfc822-headers\r\n";
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n" + original;
  out += fmt::format("\r\n--{}--\r\n", boundary);
  return out;
}

}  // namespace mansio::mail
