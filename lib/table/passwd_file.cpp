#include "table/passwd_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "config/match.hpp"

namespace mansio::table {
namespace {

constexpr std::uint64_t last_id = 0xfffffffe;   // the one after it, (uid_t)-1, is nobody's
constexpr std::size_t local_limit = 255;        // octets of a local part
constexpr std::size_t extra_field = 7;          // all from here on is one field

// Empty is nullopt and fine; "no number" is reported through `bad`.
std::optional<uid_t> read_id(std::string_view text, bool& bad) {
  if (text.empty()) return std::nullopt;
  auto number = parse_number(text);
  if (!number || *number > last_id) {
    bad = true;
    return std::nullopt;
  }
  return static_cast<uid_t>(*number);
}

// Dovecot splits at every blank; a blank in a value stands in its own escape there, which we need not know.
std::vector<std::string> read_extra(std::string_view line) {
  for (std::size_t i = 0; i < extra_field; ++i) {
    auto colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  std::vector<std::string> out;
  for (auto word : split(line, ' ')) {
    if (!trim(word).empty()) out.emplace_back(trim(word));
  }
  return out;
}

}  // namespace

std::string canonical_user_name(std::string_view text) {
  auto at = text.rfind('@');
  auto local = text.substr(0, at);
  if (local.empty() || local.size() > local_limit || has_control(local) || !is_utf8(local)) return {};
  if (at == std::string_view::npos) return to_lower(local);
  auto domain = config::canonical_domain(text.substr(at + 1));
  return domain ? to_lower(local) + "@" + *domain : std::string();
}

const VirtualUser* VirtualUsers::find(const std::string& name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &users_[it->second];
}

const VirtualUser* VirtualUsers::find(const std::string& local, const std::string& domain) const {
  const auto* found = find(local + "@" + domain);
  return found != nullptr ? found : find(local);
}

bool VirtualUsers::insert(VirtualUser user) {
  if (!by_name_.try_emplace(user.name, users_.size()).second) return false;
  users_.push_back(std::move(user));
  return true;
}

ParsedUsers parse_passwd_file(std::string_view text) {
  ParsedUsers out;
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line[0] == '#') continue;
    auto fields = split(line, ':');
    fields.resize(std::max<std::size_t>(fields.size(), extra_field + 1));
    VirtualUser user;
    user.line = number;
    user.name = canonical_user_name(trim(fields[0]));
    if (user.name.empty() || has_control(line)) {
      out.problems.push_back({number, fmt::format("\"{}\" is no name of a user", escape(fields[0], 60))});
      continue;
    }
    user.password = fields[1];
    user.uid = read_id(fields[2], user.broken);
    user.gid = read_id(fields[3], user.broken);
    user.gecos = fields[4];
    user.home = fields[5];
    user.extra = read_extra(line);
    if (!user.home.empty() && user.home[0] != '/') user.broken = true;
    if (user.broken) out.problems.push_back({number, fmt::format("\"{}\": uid and gid must be numbers, the home an absolute path", user.name)});
    auto name = user.name;
    if (!out.users.insert(std::move(user))) out.problems.push_back({number, fmt::format("\"{}\" stands here again: the first one counts", name)});
  }
  return out;
}

}  // namespace mansio::table
