#include "sendmail_message.hpp"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/header.hpp"
#include "mail/recipient_fields.hpp"

namespace mansio::sendmail {
namespace {

constexpr std::size_t header_limit = 16u << 20;

// Where the header ends in `text` (whole lines with CRLF, looked through up to `from` before): at an empty line or
// before a line that is no field. npos: it goes on. `from` is moved to the line to look at next.
std::size_t find_header_end(std::string_view text, std::size_t& from) {
  while (from < text.size()) {
    auto end = text.find('\n', from);
    if (end == std::string_view::npos) return std::string_view::npos;
    std::string_view line = text.substr(from, end - from + 1);
    bool continuation = is_blank(line[0]) && from > 0;
    if (!continuation && !mail::HeaderReader(line).next()) return from;
    from = end + 1;
  }
  return std::string_view::npos;
}

// Fields that matter here, with their resent forms.
struct Presence {
  bool date = false, message_id = false, from = false;
};

struct FieldName {
  bool resent;
  std::string base;   // lower case, without "resent-"
};

FieldName split_name(std::string_view name) {
  constexpr std::string_view prefix = "resent-";
  bool resent = istarts_with(name, prefix);
  return {resent, to_lower(resent ? name.substr(prefix.size()) : name)};
}

std::string message_id(const MessageOptions& options) {
  std::time_t clock = std::chrono::system_clock::to_time_t(options.now);
  std::tm utc{};
  ::gmtime_r(&clock, &utc);
  return fmt::format("<{:04}{:02}{:02}{:02}{:02}{:02}.{}@{}>", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec, options.unique, options.host_name);
}

void add_missing(std::string& out, const Presence& there, const MessageOptions& options, const char* prefix) {
  if (!there.date) out += fmt::format("{}Date: {}\r\n", prefix, mail::format_date(options.now));
  if (!there.from) out += fmt::format("{}From: {}\r\n", prefix, options.from);
  if (!there.message_id) out += fmt::format("{}Message-ID: {}\r\n", prefix, message_id(options));
}

// Copies the header without Bcc fields and adds what is missing.
void rewrite_header(std::string_view header, const MessageOptions& options, std::string& out) {
  Presence plain, resent;
  bool any_resent = false;
  mail::HeaderReader reader(header);
  while (auto field = reader.next()) {
    FieldName name = split_name(field->name);
    any_resent |= name.resent;
    Presence& there = name.resent ? resent : plain;
    if (name.base == "date") there.date = true;
    else if (name.base == "message-id") there.message_id = true;
    else if (name.base == "from") there.from = true;
    if (!mail::is_bcc(field->name)) out += field->raw;
  }
  add_missing(out, plain, options, "");
  if (any_resent) add_missing(out, resent, options, "Resent-");
}

}  // namespace

Result<> MessageBuilder::feed(std::string_view in, std::string& out) {
  std::string& target = in_body_ ? out : held_;
  std::size_t before = target.size();
  auto done = lines_.feed(in, target);
  if (!done) return done;
  eight_bit_ |= !is_ascii(std::string_view(target).substr(before));
  return in_body_ ? Result<>{} : take_header(false, out);
}

Result<> MessageBuilder::finish(std::string& out) {
  lines_.finish(in_body_ ? out : held_);
  return in_body_ ? Result<>{} : take_header(true, out);
}

Result<> MessageBuilder::take_header(bool complete, std::string& out) {
  // A first line "From address date" comes from an mbox or UUCP: not part of the message. A second one is text.
  if (!first_line_known_ && mail::mbox_line_length(held_) > 0) {
    auto end = held_.find('\n');
    if (end == std::string::npos && !complete && held_.size() < header_limit) return {};
    std::string_view line = std::string_view(held_).substr(0, end);
    line.remove_prefix(line.find(' ') + 1);
    if (auto blank = line.find_first_of(" \r"); mbox_sender_.empty()) mbox_sender_ = std::string(line.substr(0, blank));
    held_.erase(0, end == std::string::npos ? end : end + 1);
    first_line_known_ = true;
  }
  first_line_known_ |= held_.find('\n') != std::string::npos;
  std::size_t end = find_header_end(held_, searched_);
  if (end == std::string::npos && complete) end = held_.size();
  if (end == std::string::npos) {
    if (held_.size() > header_limit) return fail(Fault::too_long, "the header is longer than 16 MiB");
    return {};
  }
  std::string_view header = std::string_view(held_).substr(0, end), rest = std::string_view(held_).substr(end);
  if (options_.extract) {
    auto done = extract_recipients(header);
    if (!done) return done;
  }
  rewrite_header(header, options_, out);
  if (!rest.starts_with("\r\n")) out += "\r\n";
  out += rest;
  held_ = std::string();
  in_body_ = true;
  return {};
}

Result<> MessageBuilder::extract_recipients(std::string_view header) {
  auto found = mail::header_recipients(header, options_.qualify);
  if (!found) return std::unexpected(found.error());
  recipients_.insert(recipients_.end(), found->begin(), found->end());
  return {};
}

std::string format_mailbox(std::string_view name, const mail::Address& address) {
  if (name.empty() || has_control(name) || (!is_ascii(name) && !is_utf8(name))) return address.text();
  constexpr std::size_t encoded_piece = 42;    // octets: 75 characters in an encoded word (RFC 2047 §2)
  std::string phrase;
  if (is_ascii(name)) {
    phrase = "\"";
    for (char c : name) {
      if (c == '"' || c == '\\') phrase += '\\';
      phrase += c;
    }
    phrase += '"';
    bool plain = std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == ' ' || c == '-' || c == '_'; });
    if (plain) phrase = std::string(name);
  } else {
    while (!name.empty()) {
      std::size_t n = std::min(name.size(), encoded_piece);
      while (n < name.size() && n > 1 && !is_utf8(name.substr(0, n))) --n;
      if (!phrase.empty()) phrase += "\r\n ";
      phrase += fmt::format("=?UTF-8?B?{}?=", base64_encode(name.substr(0, n)));
      name.remove_prefix(n);
    }
  }
  return fmt::format("{} <{}>", phrase, address.text());
}

}  // namespace mansio::sendmail
