#include "smtp/masking.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sasl/server.hpp"

namespace mansio::smtp {
namespace {

constexpr std::string_view auth_word = "AUTH", mask = "***";

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t")); }

}  // namespace

std::string masked_command(std::string_view line) {
  std::string_view text = trim(line);
  if (!istarts_with(text, auth_word)) return std::string(line);
  std::string_view rest = text.substr(auth_word.size()), word = first_word(trim(rest));
  if (rest.empty()) return std::string(auth_word);
  // A client that forgets the mechanism sends its secret in the mechanism's place.
  const auto& known = sasl::mechanism_names();
  auto name = std::ranges::find_if(known, [word](std::string_view each) { return iequals(each, word); });
  std::string out(auth_word);
  if (!is_blank(rest[0])) return out.append(mask);
  if (name == known.end()) return out.append(" ").append(mask);
  out.append(" ").append(*name);
  if (trim(rest).size() > word.size()) out.append(" ").append(mask);
  return out;
}

std::string masked_input(std::string_view bytes) {
  for (std::size_t i = 0; i + auth_word.size() <= bytes.size(); ++i) {
    if (istarts_with(bytes.substr(i), auth_word)) return std::string(bytes.substr(0, i)).append(auth_word).append(mask);
  }
  return std::string(bytes);
}

}  // namespace mansio::smtp
