#include "mail/dsn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/convert_encoders.hpp"
#include "mail/date.hpp"
#include "mail/dsn_text.hpp"
#include "mail/header.hpp"

namespace mansio::mail {
namespace {

constexpr std::array<std::string_view, 5> dsn_actions{"failed", "delayed", "delivered", "relayed", "expanded"};
constexpr std::size_t report_line_octets = 998;

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

// RFC 6533 §3: utf-8-addr-xtext has each code point outside of ASCII as \x{HEX}, utf-8-addr-unitext has it as it is.
// `text` is valid UTF-8.
std::string utf8_typed_text(std::string_view text, bool unitext) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t k) { return static_cast<unsigned>(static_cast<unsigned char>(text[k])); };
    unsigned lead = byte(i++);
    if (lead < 0x80 || unitext) {
      bool plain = lead > ' ' && lead != 0x7f && lead != '\\' && lead != '+' && lead != '=';
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

std::string typed_address(const Address& address, bool utf8) {
  if (address.needs_smtputf8()) return "utf-8;" + utf8_typed_text(address.text(), utf8);
  return "rfc822;" + address.text();
}

std::string escaped_8bit(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = 1;
    while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xc0) == 0x80) ++size;
    out += size == 1 ? std::string(text.substr(i, 1)) : utf8_typed_text(text.substr(i, size), false);
    i += size;
  }
  return out;
}

// RFC 3461 §6.3 (d): the original recipient decoded from xtext. ORCPT of other types goes as it stands; one of type utf-8
// in UTF-8 (RFC 6533 §3) does only where it may.
std::string original_recipient(const std::string& orcpt, bool utf8) {
  auto semicolon = orcpt.find(';');
  if (semicolon == std::string::npos) return dsn_printable(orcpt, 500);
  std::string_view type = std::string_view(orcpt).substr(0, semicolon), address = std::string_view(orcpt).substr(semicolon + 1);
  if (iequals(type, "utf-8")) {
    bool clean = is_utf8(address) && !has_control(address) && address.size() <= 800;
    if (!clean || is_ascii(address)) return dsn_printable(orcpt, 800);
    return "utf-8;" + (utf8 ? std::string(address) : escaped_8bit(address));
  }
  auto decoded = xtext_decode(address);
  if (!decoded) return dsn_printable(orcpt, 500);
  return dsn_printable(type, 64) + ";" + dsn_printable(*decoded, 500);
}

// RFC 3464 §2.3.5: the name alone; the address and port of "mx.example [192.0.2.1]:25" are for people.
std::string remote_mta(std::string_view host) {
  auto end = host.starts_with('[') ? host.find(']') : host.find(' ');
  if (end != host.npos && host.starts_with('[')) ++end;
  return dsn_printable(host.substr(0, end), 255);
}

std::string per_message(const Dsn& dsn) {
  std::string out = folded("Reporting-MTA", "dns; " + dsn.reporting_host);
  auto envid = xtext_decode(dsn.envid);
  if (!dsn.envid.empty() && envid) out += folded("Original-Envelope-Id", dsn_printable(*envid, 200));   // RFC 3461 §6.3 (b)
  if (dsn.arrival != Time{}) out += "Arrival-Date: " + format_date(dsn.arrival) + "\r\n";
  return out;
}

// RFC 3464 §2.3
std::string per_recipient(const DsnRecipient& recipient, bool utf8) {
  std::string out = "\r\n";
  if (!recipient.orcpt.empty()) out += folded("Original-Recipient", original_recipient(recipient.orcpt, utf8));
  out += folded("Final-Recipient", typed_address(recipient.address, utf8));
  out += fmt::format("Action: {}\r\n", dsn_actions[static_cast<std::size_t>(recipient.action)]);
  std::string enhanced = recipient.status.enhanced_text();
  out += fmt::format("Status: {}\r\n", enhanced.empty() ? fmt::format("{}.0.0", recipient.status.code() / 100) : enhanced);
  if (!recipient.remote_host.empty()) out += folded("Remote-MTA", "dns; " + remote_mta(recipient.remote_host));
  // RFC 3464 §2.3.6: in the terms of the transport that said it; of our own words it is no SMTP reply. Our words about a
  // success name the mailbox's path, which is no sender's business.
  bool trouble = recipient.action == DsnAction::failed || recipient.action == DsnAction::delayed;
  if (!recipient.remote_host.empty()) out += folded("Diagnostic-Code", "smtp; " + dsn_reason(recipient));
  else if (trouble) out += folded("Diagnostic-Code", "X-Mansio; " + dsn_reason(recipient));
  if (recipient.last_attempt) out += "Last-Attempt-Date: " + format_date(*recipient.last_attempt) + "\r\n";
  if (recipient.will_retry_until && recipient.action == DsnAction::delayed) {   // RFC 3464 §2.3.9: only there
    out += "Will-Retry-Until: " + format_date(*recipient.will_retry_until) + "\r\n";
  }
  return out;
}

// RFC 2047 for a Subject of an admin's template; ASCII goes as it is.
std::string encoded_words(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    std::size_t take = std::min<std::size_t>(text.size(), 45);
    while (take < text.size() && (static_cast<unsigned char>(text[take]) & 0xc0) == 0x80) --take;
    out += fmt::format("{}=?utf-8?B?{}?=", out.empty() ? "" : "\r\n ", base64_encode(text.substr(0, take)));
    text.remove_prefix(take);
  }
  return out;
}

// Can the content go into a message/rfc822 part unchanged?
bool fits_rfc822(std::string_view text) {
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return false;
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return false;
    if (text[i] != '\n') continue;
    if (i == 0 || text[i - 1] != '\r' || i - start > report_line_octets + 1) return false;
    start = i + 1;
  }
  return text.size() - start <= report_line_octets;
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

std::string message_header(const Dsn& dsn, const std::string& subject, const std::string& boundary, bool eight_bit) {
  const std::string& domain = dsn.mail_name.empty() ? dsn.reporting_host : dsn.mail_name;
  std::string out = fmt::format("Date: {}\r\n", format_date(dsn.date));
  out += fmt::format("From: Mail Delivery System <MAILER-DAEMON@{}>\r\n", domain);
  out += fmt::format("To: <{}>\r\n", dsn.to.text());
  out += fmt::format("Subject: {}\r\nMessage-ID: <{}>\r\n", encoded_words(subject), dsn.message_id);
  out += "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n";   // RFC 3834 §5
  out += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\n", boundary);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  return out + "\r\n";
}

std::string eight_bit_label(std::string_view part) { return is_ascii(part) ? "" : "Content-Transfer-Encoding: 8bit\r\n"; }

// RFC 6533 §5, §6: what has UTF-8 in its header is message/global; other 8-bit headers have no right name.
std::string_view original_type(std::string_view original, bool full, bool utf8) {
  HeaderReader reader(original);
  while (reader.next()) {
  }
  std::string_view header = original.substr(0, reader.body_offset());
  bool global = utf8 && !is_ascii(header) && is_utf8(header);
  if (full) return global ? "message/global" : "message/rfc822";
  return global ? "message/global-headers" : "text/rfc822-headers";
}

}  // namespace

std::string format_dsn(const Dsn& dsn, const ReportTemplates& templates) {
  const ReportTemplate& words = templates[static_cast<std::size_t>(dsn_kind(dsn))];
  bool full = dsn.full && fits_rfc822(dsn.original);
  std::string original = full ? dsn.original : fit_headers(dsn.original);
  std::string text = dsn_text(dsn, words), status = per_message(dsn);
  for (const DsnRecipient& recipient : dsn.recipients) status += per_recipient(recipient, dsn.utf8);
  std::string text_type = is_ascii(text) ? "us-ascii" : "utf-8\r\nContent-Transfer-Encoding: quoted-printable";
  if (!is_ascii(text)) text = quoted_printable(text);
  std::string boundary = boundary_for(dsn, text + status + original);

  std::string out = message_header(dsn, words.subject, boundary, !is_ascii(status) || !is_ascii(original));
  out += fmt::format("This is a report in MIME format (RFC 3464).\r\n\r\n--{}\r\n", boundary);
  out += fmt::format("Content-Description: Notification\r\nContent-Type: text/plain; charset={}\r\n\r\n{}", text_type, text);
  out += fmt::format("\r\n--{}\r\nContent-Description: Delivery report\r\n", boundary);
  out += fmt::format("Content-Type: message/{}\r\n", dsn.utf8 ? "global-delivery-status" : "delivery-status");
  out += eight_bit_label(status) + "\r\n" + status;
  out += fmt::format("\r\n--{}\r\nContent-Description: {}\r\n", boundary, full ? "Original message" : "Headers of the original message");
  out += fmt::format("Content-Type: {}\r\n", original_type(original, full, dsn.utf8));
  out += eight_bit_label(original) + "\r\n" + original;
  out += fmt::format("\r\n--{}--\r\n", boundary);
  return out;
}

}  // namespace mansio::mail
