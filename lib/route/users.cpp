#include "route/users.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "mail/address.hpp"

namespace mansio::route {
namespace {

constexpr std::uint64_t last_id = 0xfffffffe;   // the one after it, (uid_t)-1, is nobody's

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

// The name as it is looked up; "" when it is none.
std::string read_user_name(std::string_view text) {
  auto at = text.rfind('@');
  auto local = mail::LocalPart::from_unquoted(text.substr(0, at));
  if (!local) return {};
  if (at == std::string_view::npos) return local->key();
  auto domain = mail::Domain::parse(text.substr(at + 1));
  return domain ? local->key() + "@" + domain->key() : std::string();
}

}  // namespace

const VirtualUser* VirtualUsers::find(const std::string& local, const std::string& domain) const {
  auto it = users_.find(local + "@" + domain);
  if (it == users_.end()) it = users_.find(local);
  return it == users_.end() ? nullptr : &it->second;
}

bool VirtualUsers::insert(VirtualUser user) {
  std::string key = user.name;
  return users_.try_emplace(std::move(key), std::move(user)).second;
}

ParsedUsers parse_passwd_file(std::string_view text) {
  ParsedUsers out;
  std::size_t number = 0;
  for (auto line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line[0] == '#') continue;
    auto fields = split(line, ':');
    fields.resize(std::max<std::size_t>(fields.size(), 8));
    VirtualUser user;
    user.name = read_user_name(trim(fields[0]));
    if (user.name.empty() || has_control(line)) {
      out.problems.push_back({number, fmt::format("\"{}\" is no name of a user", escape(fields[0], 60))});
      continue;
    }
    user.password = fields[1];
    user.uid = read_id(fields[2], user.broken);
    user.gid = read_id(fields[3], user.broken);
    user.gecos = fields[4];
    user.home = fields[5];
    if (!user.home.empty() && user.home[0] != '/') user.broken = true;
    if (user.broken) out.problems.push_back({number, fmt::format("\"{}\": uid and gid must be numbers, the home an absolute path", user.name)});
    auto name = user.name;
    if (!out.users.insert(std::move(user))) out.problems.push_back({number, fmt::format("\"{}\" stands here again: the first one counts", name)});
  }
  return out;
}

}  // namespace mansio::route
