// Encodings of the wire and the log, and the texts that are made safe for people.
#include "base/encoding.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "history/line.hpp"

namespace fuzz {

using namespace mansio;

void base64(std::string_view input) {
  require(base64_decode(base64_encode(input)) == std::string(input), "any octets survive base64");
  auto decoded = base64_decode(input);
  if (decoded) require(base64_encode(*decoded) == input, "there is one way to write it");
}

void xtext(std::string_view input) {
  std::string text = xtext_encode(input);
  require(std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '='; }), "xtext is printable");
  require(xtext_decode(text) == std::string(input), "any octets survive xtext");
  auto decoded = xtext_decode(input);
  if (decoded) require(xtext_decode(xtext_encode(*decoded)) == *decoded, "what was read can be written");
}

void digits(std::string_view input) {
  if (auto value = hex_decode(input)) {
    require(!input.empty() && input.size() <= 16, "1 to 16 digits");
    require(hex_decode(hex_encode(*value)) == *value, "a number survives hex");
  }
  if (auto value = base62_decode(input)) {
    require(std::ranges::all_of(input, is_alnum), "base 62 has letters and digits");
    if (input.size() <= 10) require(base62_encode(*value, static_cast<int>(input.size())) == input, "there is one way to write it");
  }
  if (auto value = parse_number(input)) {
    require(std::ranges::all_of(input, is_digit), "a number has digits alone");
    require(parse_number(std::to_string(*value)) == *value, "a number survives");
  }
}

void escapes(std::string_view input) {
  std::string text = escape(input, std::string::npos / 2);
  require(!has_control(text) && is_utf8(text), "what is shown is one line of UTF-8");
  require(history::unescape(text) == input, "it can be undone");
  for (std::size_t limit : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{40}}) {
    std::string cut = escape(input, limit);
    require(cut.size() <= limit + 3 && is_utf8(cut) && !has_control(cut), "it is cut between characters");
  }
  std::string lower = to_lower(input);
  require(iequals(lower, input) && istarts_with(input, lower), "case does not count");
  require(lower.size() == input.size() && to_lower(lower) == lower, "lower is lower");
  std::string joined;
  for (auto field : split(input, ',')) joined += "," + std::string(field);
  require(joined.substr(1) == input, "split loses nothing");
  std::string_view trimmed = trim(input);
  require(trimmed.empty() || (!is_blank(trimmed.front()) && !is_blank(trimmed.back())), "no blanks at the ends");
}

}  // namespace fuzz
