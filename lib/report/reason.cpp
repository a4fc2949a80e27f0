// Reasons without their particulars.
#include "base/text.hpp"
#include "report/report.hpp"

namespace mansio::report {
namespace {

constexpr std::size_t longest_reason = 120;

// An address, an id, a long number, a host's address: what makes two equal reasons differ.
bool is_particular(std::string_view word) {
  if (word.find('@') != std::string_view::npos) return true;
  std::size_t digits = 0, letters = 0, dots = 0, colons = 0;
  for (char c : word) {
    digits += is_digit(c);
    letters += is_alpha(c);
    dots += c == '.';
    colons += c == ':';
  }
  bool address = (dots == 3 && letters == 0 && digits >= 4) || (colons >= 2 && digits > 0 && word.size() > 5);
  return address || digits >= 5 || (digits >= 2 && letters >= 2 && word.size() >= 10 && dots == 0);
}

// What stands around a word stays.
void add_word(std::string& out, std::string_view word) {
  constexpr std::string_view around = "<>()[]{}\"',;:.!?";
  std::size_t begin = 0, end = word.size();
  while (begin < end && around.find(word[begin]) != std::string_view::npos) ++begin;
  while (end > begin && around.find(word[end - 1]) != std::string_view::npos) --end;
  std::string_view core = word.substr(begin, end - begin);
  auto key = core.find('=');
  if (key != std::string_view::npos && is_particular(core.substr(key + 1))) {
    out.append(word.substr(0, begin)).append(core.substr(0, key + 1)).append("…").append(word.substr(end));
  } else if (is_particular(core)) {
    out.append(word.substr(0, begin)).append("…").append(word.substr(end));
  } else {
    out.append(word);
  }
}

}  // namespace

std::string common_reason(std::string_view text) {
  std::string out;
  text = text.substr(0, text.find('\n'));
  for (std::string_view word : split(text, ' ')) {
    word = trim(word);
    if (word.empty()) continue;
    if (!out.empty()) out += ' ';
    add_word(out, word);
    if (out.size() > longest_reason) {
      std::size_t end = longest_reason - 3;
      while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0) == 0x80) --end;     // not inside a character
      return out.substr(0, end) + "…";
    }
  }
  return out;
}

}  // namespace mansio::report
