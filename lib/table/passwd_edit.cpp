#include "table/passwd_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text.hpp"
#include "table/passwd_file.hpp"

namespace mansio::table {
namespace {

// "" for a line that is none.
std::string name_of(std::string_view line) {
  if (trim(line).empty() || line[0] == '#') return {};
  return canonical_user_name(trim(line.substr(0, line.find(':'))));
}

// As log-ins read the line: one with a control octet is none.
std::string user_of(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return has_control(line) ? std::string() : name_of(line);
}

// The name and its other form, the one to be looked for first.
Result<std::vector<std::string>> names_for(std::string_view user, std::string_view default_domain) {
  std::string name = canonical_user_name(user);
  bool unfit = name.empty() || name[0] == '#' || name.find_first_of(": \t") != std::string::npos || name.size() > 320;
  if (unfit) return fail(Fault::invalid, fmt::format("\"{}\" can't be the name of a user", escape(user, 80)));
  std::vector<std::string> out{name};
  if (default_domain.empty()) return out;
  auto at = name.rfind('@');
  if (at == std::string::npos) out.push_back(name + "@" + std::string(default_domain));
  else if (name.substr(at + 1) == default_domain) out.push_back(name.substr(0, at));
  return out;
}

// The one of `names` that the file has; "" for none.
std::string present(const std::vector<std::string_view>& lines, const std::vector<std::string>& names, std::string (*of)(std::string_view)) {
  for (const auto& name : names) {
    if (std::ranges::any_of(lines, [&](std::string_view line) { return of(line) == name; })) return name;
  }
  return {};
}

std::string with_entry(std::string_view line, std::string_view entry) {
  auto first = line.find(':');
  if (first == std::string_view::npos) {
    bool carriage_return = line.ends_with('\r');
    if (carriage_return) line.remove_suffix(1);
    return fmt::format("{}:{}{}", line, entry, carriage_return ? "\r" : "");
  }
  auto second = line.find(':', first + 1);
  std::string_view rest = second != std::string_view::npos ? line.substr(second) : line.ends_with('\r') ? "\r" : "";
  return fmt::format("{}{}{}", line.substr(0, first + 1), entry, rest);
}

}  // namespace

Result<EditedPasswd> set_password(std::string_view text, std::string_view user, std::string_view default_domain, std::string_view entry) {
  auto names = names_for(user, default_domain);
  if (!names) return std::unexpected(names.error());
  auto lines = split(text, '\n');
  EditedPasswd out;
  out.name = present(lines, *names, user_of);
  if (out.name.empty() && !present(lines, *names, name_of).empty()) {
    return fail(Fault::invalid, fmt::format("the line of \"{}\" holds a control character, so that it isn't read: correct it first", escape(user, 80)));
  }
  if (out.name.empty()) {
    out.name = names->front();
    out.change = PasswdChange::added;
    out.text = fmt::format("{}{}{}:{}::::::\n", text, text.empty() || text.ends_with('\n') ? "" : "\n", out.name, entry);
    return out;
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.text += '\n';
    bool first = out.change == PasswdChange::none && user_of(lines[i]) == out.name;
    if (first) out.change = PasswdChange::replaced;
    out.text += first ? with_entry(lines[i], entry) : std::string(lines[i]);
  }
  return out;
}

Result<EditedPasswd> remove_user(std::string_view text, std::string_view user, std::string_view default_domain) {
  auto names = names_for(user, default_domain);
  if (!names) return std::unexpected(names.error());
  auto lines = split(text, '\n');
  EditedPasswd out;
  out.name = present(lines, *names, name_of);
  bool begun = false;
  for (auto line : lines) {
    if (!out.name.empty() && name_of(line) == out.name) {
      out.change = PasswdChange::removed;
      continue;
    }
    if (std::exchange(begun, true)) out.text += '\n';
    out.text += line;
  }
  return out;
}

}  // namespace mansio::table
