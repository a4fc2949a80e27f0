#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/drop.hpp"

namespace mansio::config {
namespace {

bool is_account_name(std::string_view name) {
  auto usual = [](char c) { return is_alnum(c) || std::string_view("._-$@\\+").find(c) != std::string_view::npos; };
  bool number = std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  return !name.empty() && name.size() <= 256 && name[0] != '-' && !number && std::ranges::all_of(name, usual);
}

}  // namespace

Result<> check_owner(std::string_view owner) {
  auto colon = owner.find(':');
  std::string_view user = owner.substr(0, colon);
  bool good = is_account_name(user) && (colon == std::string_view::npos || is_account_name(owner.substr(colon + 1)));
  if (!good) return fail(Fault::invalid, fmt::format("\"{}\" is no owner: write a user's name, or \"user:group\"", escape(owner, 60)));
  if (user == "root") return fail(Fault::invalid, "nothing is delivered as root: name another user");
  return {};
}

Result<> check_file_mode(std::string_view mode) {
  bool octal = (mode.size() == 3 || (mode.size() == 4 && mode[0] == '0')) && std::ranges::all_of(mode, [](char c) { return c >= '0' && c <= '7'; });
  if (!octal) return fail(Fault::invalid, fmt::format("\"{}\" is no mode: write three octal digits, such as \"0640\"", escape(mode, 20)));
  std::string_view digits = mode.substr(mode.size() - 3);
  if (((digits[2] - '0') & 2) != 0) return fail(Fault::invalid, "everybody could write in the files: the last digit is 0, 1, 4 or 5");
  if (((digits[0] - '0') & 4) == 0) return fail(Fault::invalid, "their owner could not read the files: the first digit is 4, 5, 6 or 7");
  return {};
}

}  // namespace mansio::config
