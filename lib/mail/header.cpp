#include "mail/header.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"

namespace mansio::mail {
namespace {

constexpr std::size_t line_limit = 1000, delivered_to_limit = 1000;

constexpr std::array<std::pair<std::string_view, KnownField>, 13> known_fields{{
    {"received", KnownField::received}, {"delivered-to", KnownField::delivered_to},
    {"message-id", KnownField::message_id}, {"date", KnownField::date}, {"from", KnownField::from},
    {"to", KnownField::to}, {"cc", KnownField::cc}, {"bcc", KnownField::bcc}, {"sender", KnownField::sender},
    {"reply-to", KnownField::reply_to}, {"return-path", KnownField::return_path},
    {"subject", KnownField::subject}, {"mime-version", KnownField::mime_version},
}};

// RFC 5322 §3.6.8 ftext
constexpr bool is_field_char(char c) noexcept { return c > ' ' && c < 0x7f && c != ':'; }

// Position of the colon of a line that begins a field; npos when it begins none.
std::size_t field_colon(std::string_view line) noexcept {
  std::size_t name = 0;
  while (name < line.size() && is_field_char(line[name])) ++name;
  std::size_t colon = name;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return name > 0 && colon < line.size() && line[colon] == ':' ? colon : std::string_view::npos;
}

std::string_view field_name(std::string_view line, std::size_t colon) { return trim(line.substr(0, colon)); }

bool is_empty_line(std::string_view line) noexcept { return line == "\n" || line == "\r\n"; }

}  // namespace

KnownField known_field(std::string_view name) {
  for (const auto& [text, field] : known_fields) {
    if (iequals(text, name)) return field;
  }
  return KnownField::other;
}

std::optional<HeaderField> HeaderReader::next() {
  auto line_at = [&](std::size_t at) {
    auto end = text_.find('\n', at);
    return text_.substr(at, end == std::string_view::npos ? end : end - at + 1);
  };
  std::string_view line = line_at(at_);
  std::size_t colon = field_colon(line);
  if (colon == std::string_view::npos) {
    separator_ = is_empty_line(line) && line.ends_with('\n');
    body_ = at_ + (separator_ ? line.size() : 0);
    return std::nullopt;
  }
  std::size_t start = at_;
  at_ += line.size();
  while (at_ < text_.size() && is_blank(text_[at_])) at_ += line_at(at_).size();
  std::string_view raw = text_.substr(start, at_ - start);
  std::string_view value = raw.substr(colon + 1);
  if (value.ends_with('\n')) value.remove_suffix(1);
  if (value.ends_with('\r')) value.remove_suffix(1);
  return HeaderField{field_name(line, colon), value, raw, start};
}

std::string unfold(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    bool line_end = c == '\n' || (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n');
    if (!line_end) {
      out += c;
      continue;
    }
    while (!out.empty() && is_blank(out.back())) out.pop_back();
    while (i + 1 < value.size() && (is_blank(value[i + 1]) || value[i + 1] == '\n' || value[i + 1] == '\r')) ++i;
    out += ' ';
  }
  return std::string(trim(out));
}

std::optional<bool> begins_like_header(std::string_view prefix, bool complete) {
  std::string_view line = prefix.substr(0, std::min(prefix.find('\n'), line_limit));
  bool whole = line.size() < prefix.size() || complete || line.size() == line_limit;
  if (field_colon(line) != std::string_view::npos) return true;
  if (line.empty() || line == "\r") {
    if (line.size() < prefix.size()) return true;
    return complete ? std::optional(line.empty()) : std::nullopt;
  }
  if (!whole && std::ranges::all_of(line, [](char c) { return is_field_char(c) || is_blank(c); }) && is_field_char(line[0])) {
    return std::nullopt;
  }
  return false;
}

std::size_t mbox_line_length(std::string_view message) {
  if (!message.starts_with("From ") && !message.starts_with(">From ")) return 0;
  auto end = message.find('\n');
  return end == std::string_view::npos ? message.size() : end + 1;
}

void HeaderScanner::feed(std::string_view chunk) {
  while (!done_ && !chunk.empty()) {
    auto end = chunk.find('\n');
    std::string_view part = chunk.substr(0, end == std::string_view::npos ? end : end + 1);
    chunk.remove_prefix(part.size());
    if (line_.size() < line_limit) line_.append(part.substr(0, line_limit - line_.size()));
    if (copy_.size() < copy_limit_) copy_.append(part.substr(0, copy_limit_ - copy_.size()));
    line_size_ += part.size();
    if (end != std::string_view::npos) end_line();
  }
}

void HeaderScanner::finish() {
  if (!done_ && line_size_ > 0) end_line();
  if (!done_) end_field();
  done_ = true;
}

void HeaderScanner::end_line() {
  if (field_ && is_blank(line_[0])) {
    if (value_.size() < line_limit) value_.append(line_, 0, line_limit - value_.size());
  } else {
    end_field();
    std::size_t colon = field_colon(line_);
    bool separator = is_empty_line(line_);
    if (colon == std::string_view::npos) {
      done_ = true;
      if (separator) size_ += line_size_;
      if (copy_.size() > size_) copy_.resize(size_);
      line_ = {};
      return;
    }
    field_ = known_field(field_name(line_, colon));
    ++counts_[static_cast<std::size_t>(*field_)];
    value_.assign(line_, colon + 1);
  }
  size_ += line_size_;
  line_size_ = 0;
  line_.clear();
}

void HeaderScanner::end_field() {
  if (field_ == KnownField::message_id && message_id_.empty()) message_id_ = unfold(value_);
  if (field_ == KnownField::delivered_to && delivered_to_.size() < delivered_to_limit) {
    delivered_to_.push_back(unfold(value_));
  }
  field_.reset();
}

}  // namespace mansio::mail
