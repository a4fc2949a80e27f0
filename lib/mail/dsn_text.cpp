#include "mail/dsn_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t text_width = 70, reason_limit = 2000, hard_width = 900;

// Words in lines of about `width`; a longer word has a line of its own.
std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  for (std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (column > 0 && column + 1 + word.size() > width) {
      out += '\n';
      column = 0;
    }
    if (column > 0) out += ' ';
    for (; word.size() > hard_width; word.remove_prefix(hard_width)) out.append(word.substr(0, hard_width)) += '\n';
    out += word;
    column += word.size() + 1;
  }
  return out;
}

// What a sender can do about it, as the name of a template's section (RFC 3463).
std::string_view trouble(const Status& status) {
  struct Class {
    std::uint16_t subject, detail;
    std::string_view section;
  };
  static constexpr Class classes[]{
      {1, 1, "no_such_user"},   {1, 3, "no_such_user"},   {1, 6, "no_such_user"},  {2, 1, "no_such_user"},
      {1, 2, "no_such_domain"}, {1, 10, "no_such_domain"}, {4, 4, "no_such_domain"}, {2, 2, "mailbox_full"},
      {2, 3, "too_large"},      {3, 4, "too_large"},      {4, 6, "loop"},          {4, 7, "expired"},
  };
  EnhancedCode code = status.enhanced();
  if (code.klass == 0) return status.code() == 552 ? "mailbox_full" : "other";
  for (const Class& c : classes) {
    if (c.subject == code.subject && c.detail == code.detail) return c.section;
  }
  return code.subject == 7 ? "policy" : code.subject == 6 ? "content" : "other";
}

std::string_view advice_section(const DsnRecipient& recipient) {
  switch (recipient.action) {
    case DsnAction::delivered: return "delivered";
    case DsnAction::relayed: return "relayed";
    case DsnAction::expanded: return "expanded";
    default: return trouble(recipient.status);
  }
}

std::string recipient_text(const Dsn& dsn, const DsnRecipient& recipient, const ReportTemplate& words) {
  PlaceValues values;
  values["host"] = dsn.reporting_host;
  values["postmaster"] = dsn.postmaster.empty() ? "postmaster@" + dsn.reporting_host : dsn.postmaster;
  values["address"] = recipient.address.text();
  values["time"] = format_date(recipient.last_attempt ? *recipient.last_attempt : dsn.date);
  if (recipient.will_retry_until) values["until"] = format_date(*recipient.will_retry_until);
  values["remote"] = dsn_printable(recipient.remote_host, 300);
  values["reply"] = wrapped(dsn_reason(recipient), text_width);
  values["original"] = dsn_original_address(recipient);
  bool other = !values["original"].empty() && !iequals(values["original"], values["address"]);
  if (other) values["written_as"] = fill_places(words.section("written_as"), values);
  values["answer"] = fill_places(words.section(recipient.remote_host.empty() ? "own_answer" : "host_answer"), values);
  values["advice"] = fill_places(words.section(advice_section(recipient), "other"), values);
  return fill_places(words.section("recipient"), values);
}

}  // namespace

std::string dsn_printable(std::string_view text, std::size_t limit) {
  std::string out;
  for (char c : escape(text.substr(0, limit), limit)) {
    if (is_8bit(c)) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out += c;
  }
  return out;
}

std::string dsn_reason(const DsnRecipient& recipient) {
  std::string text = recipient.remote_reply.empty() ? recipient.status.line() : recipient.remote_reply;
  std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return dsn_printable(trim(text), reason_limit);
}

std::string dsn_original_address(const DsnRecipient& recipient) {
  auto semicolon = recipient.orcpt.find(';');
  if (semicolon == std::string::npos) return {};
  auto decoded = xtext_decode(std::string_view(recipient.orcpt).substr(semicolon + 1));
  bool utf8_type = iequals(std::string_view(recipient.orcpt).substr(0, semicolon), "utf-8");
  std::string text = utf8_type || !decoded ? recipient.orcpt.substr(semicolon + 1) : *decoded;
  return dsn_printable(text, 500);
}

TemplateKind dsn_kind(const Dsn& dsn) noexcept {
  auto any = [&](DsnAction action) {
    return std::ranges::any_of(dsn.recipients, [&](const DsnRecipient& r) { return r.action == action; });
  };
  if (any(DsnAction::failed)) return TemplateKind::failed;
  return any(DsnAction::delayed) ? TemplateKind::delayed : TemplateKind::success;
}

std::string dsn_text(const Dsn& dsn, const ReportTemplate& words) {
  PlaceValues values;
  values["host"] = dsn.reporting_host;
  values["queue_id"] = dsn_printable(dsn.queue_id, 64);
  values["arrival"] = format_date(dsn.arrival == Time{} ? dsn.date : dsn.arrival);
  values["sender"] = dsn.to.text();
  values["postmaster"] = dsn.postmaster.empty() ? "postmaster@" + dsn.reporting_host : dsn.postmaster;
  std::string list;
  for (const DsnRecipient& recipient : dsn.recipients) list += recipient_text(dsn, recipient, words) + "\n";
  values["recipients"] = list;
  std::string out;
  for (char c : fill_places(words.section(""), values)) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace mansio::mail
