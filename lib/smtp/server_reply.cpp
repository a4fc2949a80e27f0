#include "smtp/server_reply.hpp"

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace mansio::smtp {
namespace {

// One to three digits at the front of `text`, taken off it.
std::optional<std::uint16_t> take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  if (n == 0 || n > 3) return std::nullopt;
  auto value = parse_number(text.substr(0, n));
  text.remove_prefix(n);
  return static_cast<std::uint16_t>(*value);
}

bool take_dot(std::string_view& text) {
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  return true;
}

// The enhanced code that `text` begins with, and the text after it (RFC 2034 §4, RFC 3463 §2).
std::optional<EnhancedCode> take_enhanced(std::string_view& text) {
  std::string_view rest = text;
  auto klass = take_digits(rest);
  if (!klass || (*klass != 2 && *klass != 4 && *klass != 5) || !take_dot(rest)) return std::nullopt;
  auto subject = take_digits(rest);
  if (!subject || !take_dot(rest)) return std::nullopt;
  auto detail = take_digits(rest);
  if (!detail || (!rest.empty() && !is_blank(rest.front()))) return std::nullopt;
  text = trim(rest);
  EnhancedCode code;
  code.klass = static_cast<std::uint8_t>(*klass);
  code.subject = *subject;
  code.detail = *detail;
  return code;
}

// Takes off a UTF-8 sequence that was cut in two at the end of `text`.
void trim_cut_utf8(std::string& text) {
  std::size_t end = text.size();
  while (end > 0 && text.size() - end < 4 && (static_cast<unsigned char>(text[end - 1]) & 0xc0) == 0x80) --end;
  if (end > 0 && is_8bit(text[end - 1]) && !is_utf8(std::string_view(text).substr(end - 1))) text.resize(end - 1);
}

int code_of(std::string_view line) {
  if (line.size() < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2])) return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

}  // namespace

Status ServerReply::status() const {
  auto klass = static_cast<std::uint8_t>(code / 100);
  auto lines = split(text, '\n');
  std::string_view first = lines.front();
  auto enhanced = take_enhanced(first);
  if (!enhanced || enhanced->klass != klass) return Status(code, 0, 0, text);
  // RFC 2034 §4: it stands on each line, so it is taken off each.
  std::string words(first);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    auto again = take_enhanced(line);
    words += '\n';
    words += again == enhanced ? line : lines[i];
  }
  return Status(code, enhanced->subject, enhanced->detail, std::move(words));
}

std::size_t ReplyParser::feed(std::string_view in) {
  std::size_t at = 0;
  while (at < in.size() && !done_ && !malformed_) {
    auto lf = in.find('\n', at);
    std::size_t end = std::min(lf, in.size());
    std::string_view part = in.substr(at, end - at);
    bool cr = part.empty() ? cr_ : part.back() == '\r';
    bool ends = lf != std::string_view::npos && cr;
    std::size_t used = part.size() + (lf != std::string_view::npos ? 1 : 0);
    at += used;
    octets_ += used;
    cr_ = lf == std::string_view::npos && cr;
    if (octets_ > reply_limit) malformed_ = true;
    if (malformed_) break;
    if (ends && line_.empty()) {            // the line is whole in `in`
      part.remove_suffix(1);
      take_line(part.substr(0, line_limit));
      continue;
    }
    std::string_view added = lf != std::string_view::npos && !ends ? in.substr(at - used, used) : part;
    line_ += added.substr(0, line_limit - std::min(line_.size(), line_limit));
    if (!ends) continue;
    std::string line = std::move(line_);
    line_.clear();
    if (line.ends_with('\r')) line.pop_back();
    take_line(line);
  }
  return at;
}

void ReplyParser::take_line(std::string_view line) {
  int code = code_of(line);
  // RFC 5321 §4.2, §4.3.2: the first digit is 2 to 5, and is the same on each line; a code alone is a reply too.
  bool broken = code < 200 || code > 599 || (reply_.code != 0 && reply_.code / 100 != code / 100);
  char separator = line.size() > 3 ? line[3] : ' ';
  if (broken || (separator != '-' && !is_blank(separator))) {
    malformed_ = true;
    return;
  }
  reply_.code = code;
  done_ = separator != '-';
  if (++lines_ <= lines_limit) keep_text(line.size() > 4 ? line.substr(4) : std::string_view());
}

void ReplyParser::keep_text(std::string_view text) {
  if (lines_ > 1 && reply_.text.size() < keep_) reply_.text += '\n';
  for (char c : text.substr(0, keep_ - std::min(reply_.text.size(), keep_))) {
    reply_.text += is_blank(c) ? ' ' : is_control(c) ? '?' : c;
  }
}

ServerReply ReplyParser::take() {
  std::string& text = reply_.text;
  if (text.size() >= keep_) trim_cut_utf8(text);
  if (!is_utf8(text)) std::ranges::replace_if(text, is_8bit, '?');
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
  return std::move(reply_);
}

}  // namespace mansio::smtp
