#include "history/line.hpp"

#include <ctime>

#include "base/text.hpp"
#include "base/unix_time.hpp"

namespace mansio::history {
namespace {

int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The digits of `text`, all of which were seen to be digits.
int digits(std::string_view text) noexcept {
  int value = 0;
  for (char c : text) value = value * 10 + (c - '0');
  return value;
}

// "2026-11-20 14:03:20": which places hold digits.
bool is_stamp(std::string_view text) noexcept {
  constexpr std::string_view shape = "dddd-dd-dd dd:dd:dd";
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 'd' ? !is_digit(text[i]) : text[i] != shape[i]) return false;
  }
  return digits(text.substr(14, 2)) < 60 && digits(text.substr(17, 2)) < 61;
}

constexpr std::size_t stamp_size = 19;

std::optional<std::int64_t> begin_of_hour(std::string_view hour) {
  std::tm local{};
  local.tm_year = digits(hour.substr(0, 4)) - 1900;
  local.tm_mon = digits(hour.substr(5, 2)) - 1;
  local.tm_mday = digits(hour.substr(8, 2));
  local.tm_hour = digits(hour.substr(11, 2));
  local.tm_isdst = -1;
  if (local.tm_year < 70 || local.tm_year > latest_year - 1900) return std::nullopt;
  if (local.tm_mon < 0 || local.tm_mon > 11 || local.tm_mday < 1 || local.tm_mday > 31 || local.tm_hour > 23) return std::nullopt;
  std::time_t clock = std::mktime(&local);
  if (clock == -1) return std::nullopt;
  return clock;
}

bool all_alnum(std::string_view text) noexcept {
  for (char c : text) {
    if (!is_alnum(c)) return false;
  }
  return true;
}

}  // namespace

std::optional<Time> LineParser::time_of(std::string_view line) {
  if (line.starts_with('{')) {
    constexpr std::string_view begin = "{\"time\":\"";         // ours always begin so
    if (line.starts_with(begin) && line.size() > 33) return utc_time(line.substr(begin.size(), 24));
    auto record = parse_json(line);
    return record ? std::optional<Time>(record->time) : std::nullopt;
  }
  if (!is_stamp(line)) return std::nullopt;
  std::string_view hour = line.substr(0, 13);
  if (hour != hour_) {
    auto began = begin_of_hour(hour);
    if (!began) return std::nullopt;
    hour_ = hour;
    hour_began_ = *began;
  }
  return from_unix(hour_began_ + digits(line.substr(14, 2)) * 60 + digits(line.substr(17, 2)));
}

std::optional<Record> LineParser::parse(std::string_view line) {
  if (line.starts_with('{')) return parse_json(line);
  auto time = time_of(line);
  if (!time || line.size() <= stamp_size || line[stamp_size] != ' ') return std::nullopt;
  return Record(*time, parse_event(line.substr(stamp_size + 1)));
}

bool is_message_id(std::string_view word) noexcept {
  std::size_t middle = word.size() == 16 ? 6 : word.size() == 23 ? 11 : 0;
  return middle != 0 && word[6] == '-' && word[7 + middle] == '-' && all_alnum(word.substr(0, 6)) &&
         all_alnum(word.substr(7, middle)) && all_alnum(word.substr(8 + middle));
}

const std::string& id_of(const log::Event& event) noexcept {
  static const std::string none;
  return std::visit(
      [](const auto& e) -> const std::string& {
        if constexpr (requires { e.id; }) return e.id;
        else return none;
      },
      event);
}

std::string unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char next = text[++i];
    if (next == 'n') out += '\n';
    else if (next == 'r') out += '\r';
    else if (next == 't') out += '\t';
    else if (next == '0') out += '\0';
    else if (next == '\\') out += '\\';
    else if (next == 'x' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += '\\';
      out += next;
    }
  }
  return out;
}

}  // namespace mansio::history
