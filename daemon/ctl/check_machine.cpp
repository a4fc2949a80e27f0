#include "ctl/check_machine.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace mansio::ctl {
namespace {

using doctor::Finding;
using doctor::Findings;
using doctor::State;

struct OwnDirectory {
  const char* setting;
  const std::string& path;
  mode_t mode;                   // as the daemon makes it
};

std::string name_of(uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  return entry == nullptr ? "uid " + std::to_string(uid) : entry->pw_name;
}

std::string directory_above(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool is_directory(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
}

Finding check_missing(const OwnDirectory& wanted) {
  std::string parent = directory_above(wanted.path);
  if (is_directory(parent)) return {wanted.setting, State::note, wanted.path + " is not there yet: the daemon makes it when it starts"};
  return {wanted.setting, State::bad, fmt::format("{}: there is no {} to make it in", wanted.path, parent), fmt::format("mkdir -p {}", parent)};
}

Finding check_directory(const OwnDirectory& wanted, const daemon::ServiceUser& user) {
  struct stat st {};
  if (::stat(wanted.path.c_str(), &st) != 0) {
    if (errno == ENOENT) return check_missing(wanted);
    return {wanted.setting, State::skipped, Error::from_errno(errno, "look at " + wanted.path).text()};
  }
  if (!S_ISDIR(st.st_mode)) return {wanted.setting, State::bad, wanted.path + " is no directory", "move it away: the daemon makes a directory there"};
  std::string seen = fmt::format("{}, of {}, mode {:04o}", wanted.path, name_of(st.st_uid), st.st_mode & 07777);
  if (st.st_uid != user.uid) {
    return {wanted.setting, State::bad, seen, fmt::format("the daemon runs as {}: chown {} {}", name_of(user.uid), name_of(user.uid), wanted.path)};
  }
  mode_t mode = st.st_mode & 07777;
  std::string mend = fmt::format("chmod {:04o} {}", wanted.mode, wanted.path);
  if ((mode & S_IRWXU) != S_IRWXU) return {wanted.setting, State::bad, seen, "the daemon can't use it: " + mend};
  if ((mode & (S_IWGRP | S_IWOTH)) != 0) return {wanted.setting, State::bad, seen, "others may change what is in it: " + mend};
  if ((mode & ~wanted.mode & S_IRWXO) != 0) return {wanted.setting, State::warning, seen, "everybody may look in: " + mend};
  if ((wanted.mode & ~mode & S_IXOTH) != 0) return {wanted.setting, State::warning, seen, "users' programs can't hand in mail: " + mend};
  return {wanted.setting, State::ok, seen};
}

// What of a template stays the same for everybody, up to its last "/"; "" when it begins with the user's home.
std::string fixed_part(const std::string& path) {
  if (path.starts_with("~")) return {};
  auto place = path.find('{');
  std::string fixed = path.substr(0, place);
  return fixed.empty() || fixed[0] != '/' ? std::string() : directory_above(fixed);
}

bool may_write(const struct stat& st, const daemon::ServiceUser& user) {
  if (user.uid == 0) return true;
  if (st.st_uid == user.uid) return (st.st_mode & S_IWUSR) != 0;
  if (st.st_gid == user.gid) return (st.st_mode & S_IWGRP) != 0;
  return (st.st_mode & S_IWOTH) != 0;
}

Finding check_place(const std::string& name, const std::string& directory, const daemon::ServiceUser& user, bool own_user) {
  struct stat st {};
  if (::stat(directory.c_str(), &st) != 0) {
    bool gone = errno == ENOENT;
    return {name, gone ? State::bad : State::skipped, Error::from_errno(errno, directory).text(),
            gone ? fmt::format("mkdir -p {}: until it is there mail waits", directory) : ""};
  }
  if (!S_ISDIR(st.st_mode)) return {name, State::bad, directory + " is no directory", "mail waits until it is one"};
  // As other users an agent writes with their own rights, and their groups' (mail).
  if (own_user && !may_write(st, user)) {
    return {name, State::bad, fmt::format("{}: {} may not write there", directory, name_of(user.uid)), fmt::format("chown {} {}", name_of(user.uid), directory)};
  }
  return {name, State::ok, directory};
}

bool has_system_users(const config::Config& config, const config::Transport& transport) {
  return std::ranges::any_of(config.routes, [&](const config::Route& route) {
    return route.transport == transport.name && route.users.kind != config::UsersKind::list && route.users.kind != config::UsersKind::none;
  });
}

}  // namespace

Findings check_operators(const config::Config& config) {
  Findings out;
  auto look = [&](const char* setting, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      bool group = name.starts_with('@');
      bool known = group ? ::getgrnam(name.c_str() + 1) != nullptr : ::getpwnam(name.c_str()) != nullptr;
      if (known) continue;
      std::string kind = group ? "group" : "user";
      out.emplace_back(setting, State::warning, fmt::format("there is no {} \"{}\"", kind, group ? name.substr(1) : name),
                       fmt::format("correct the name, or make the {}: until then it is nobody", kind));
    }
  };
  look("control.admins", config.control_admins);
  look("control.readers", config.control_readers);
  return out;
}

Findings check_directories(const config::Config& config, const daemon::ServiceUser& user) {
  Findings out;
  const OwnDirectory all[] = {{"spool_directory", config.spool_directory, 0751},
                              {"log_directory", config.log_directory, 0750},
                              {"run_directory", config.run_directory, 0755}};
  for (const OwnDirectory& one : all) out.push_back(check_directory(one, user));
  return out;
}

// Whose the files are, and where they go. Where the directory is missing it is its owner who makes it, or root.
static Finding check_drop(const std::string& name, const config::Transport& transport, const daemon::ServiceUser& user) {
  daemon::ServiceUser owner = user;
  if (!transport.owner.empty()) {
    auto colon = transport.owner.find(':');
    std::string login = transport.owner.substr(0, colon), group = colon == std::string::npos ? std::string() : transport.owner.substr(colon + 1);
    const passwd* entry = ::getpwnam(login.c_str());
    if (entry == nullptr) return {name, State::bad, fmt::format("owner: there is no user {}", login), "until there is one mail waits: mend owner"};
    owner.uid = entry->pw_uid;
    owner.gid = entry->pw_gid;
    const ::group* named = group.empty() ? nullptr : ::getgrnam(group.c_str());
    if (!group.empty() && named == nullptr) return {name, State::bad, fmt::format("owner: there is no group {}", group), "until there is one mail waits: mend owner"};
  }
  bool filled = transport.directory.find('{') == std::string::npos && !transport.directory.starts_with('~');
  if (filled && is_directory(transport.directory)) return check_place(name, transport.directory, owner, true);
  std::string above = filled ? directory_above(transport.directory) : fixed_part(transport.directory);
  return above.empty() ? Finding{name, State::ok, transport.directory} : check_place(name, above, owner, false);
}

Findings check_mailboxes(const config::Config& config, const daemon::ServiceUser& user) {
  Findings out;
  for (const config::Transport& transport : config.transports) {
    std::string name = "transports." + transport.name;
    bool mailbox = transport.kind == config::TransportKind::maildir || transport.kind == config::TransportKind::mbox;
    bool drop = transport.kind == config::TransportKind::drop;
    if (drop) out.push_back(check_drop(name, transport, user));
    if (!mailbox) continue;
    std::string directory = fixed_part(transport.path);
    if (directory.empty()) continue;
    out.push_back(check_place(name, directory, user, !has_system_users(config, transport)));
  }
  return out;
}

static Finding check_pickup(const config::PickupDirectory& pickup, const daemon::ServiceUser& user) {
  const std::string &path = pickup.directory, login = name_of(user.uid);
  std::string mend = fmt::format("until then what is put there stays there: chown {} {}, with mode 3730 or 3733", login, path);
  auto bad = [&](const std::string& what, const std::string& advice) { return Finding(pickup.setting, State::bad, path + ": " + what, advice); };
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) {
    if (errno == ENOENT) return bad("it does not exist", "make it; " + mend);
    return {pickup.setting, State::skipped, Error::from_errno(errno, path).text()};
  }
  if (!S_ISDIR(st.st_mode)) return bad("it is a symbolic link or no directory", "name the directory itself");
  if (st.st_uid != 0 && st.st_uid != user.uid) return bad(fmt::format("its owner is {}, who could change what others put there", name_of(st.st_uid)), mend);
  if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) return bad("everybody may write in it, and it has no sticky bit", "chmod +t " + path);
  if (!may_write(st, user)) return bad(fmt::format("{} may not write there", login), mend);
  return {pickup.setting, State::ok, path};
}

Findings check_pickups(const config::Config& config, const daemon::ServiceUser& user) {
  Findings out;
  for (const auto& pickup : config.pickups) out.push_back(check_pickup(pickup, user));
  return out;
}

}  // namespace mansio::ctl
