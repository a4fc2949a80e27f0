#include "deliver/identity.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "deliver/content.hpp"

namespace mansio::deliver {
namespace {

// Not a number only ("0" would be found as a uid by some databases), and no character that has a meaning elsewhere.
bool may_be_login(std::string_view name) {
  if (name.empty() || name.size() > 256 || name[0] == '-' || name[0] == '.' || parse_number(name)) return false;
  return std::ranges::none_of(name, [](char c) { return is_control(c) || c == '/' || c == ':' || c == ' ' || c == ','; });
}

// How glibc's getpwnam_r says "no such user"; any other value is a database that could not be asked.
bool means_no_user(int sys) { return sys == 0 || sys == ENOENT || sys == ESRCH; }

Result<std::string> read_users_file(const std::string& path, uid_t uid) {
  auto fd = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return std::unexpected(fd.error());
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0) return fail_errno("stat");
  if (!S_ISREG(st.st_mode)) return fail(Fault::denied, "not a regular file");
  if (st.st_uid != uid && st.st_uid != 0) return fail(Fault::denied, fmt::format("owned by uid {}", st.st_uid));
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) return fail(Fault::denied, "group or others may write it");
  return read_fd(fd->get(), max_forward);
}

}  // namespace

Answer lookup_user(const Job& job) {
  Answer answer;
  answer.serial = job.serial;
  answer.status = Status(250, 1, 5, "no such user");
  if (!may_be_login(job.user)) return answer;
  std::vector<char> buffer(1024);
  struct passwd entry {};
  struct passwd* found = nullptr;
  int sys = 0;
  while ((sys = ::getpwnam_r(job.user.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE && buffer.size() < (1u << 20)) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    if (means_no_user(sys)) return answer;
    answer.sys = sys;
    answer.status = Status(451, 3, 0, Error::from_errno(sys, "user database").text());
    return answer;
  }
  answer.found = true;
  answer.status = Status(250, 1, 5, "user found");
  answer.uid = found->pw_uid;
  answer.gid = found->pw_gid;
  answer.user = found->pw_name;
  answer.home = found->pw_dir;
  answer.gecos = std::string(found->pw_gecos == nullptr ? "" : found->pw_gecos).substr(0, 1024);
  return answer;
}

Answer read_forward(const Job& job) {
  Answer answer;
  answer.serial = job.serial;
  auto path = job.home + "/.forward";
  auto text = read_users_file(path, job.uid);
  if (text) {
    answer.found = true;
    answer.forward = std::move(*text);
  } else if (text.error().sys() != ENOENT && text.error().sys() != ENOTDIR) {
    answer.status = Status(450, 2, 0, path + ": " + text.error().text());
    answer.sys = text.error().sys();
  }
  return answer;
}

Result<> become(uid_t uid, gid_t gid, const std::string& user) {
  if (uid == 0 || uid == static_cast<uid_t>(-1) || gid == static_cast<gid_t>(-1)) return fail(Fault::denied, fmt::format("uid {} is never used for a delivery", uid));
  int grouped = user.empty() ? ::setgroups(1, &gid) : ::initgroups(user.c_str(), gid);
  if (grouped != 0) return fail_errno("set the groups of the user");
  if (::setresgid(gid, gid, gid) != 0) return fail_errno("setresgid");
  if (::setresuid(uid, uid, uid) != 0) return fail_errno("setresuid");
  std::array<uid_t, 3> uids{};
  std::array<gid_t, 3> gids{};
  ::getresuid(&uids[0], &uids[1], &uids[2]);
  ::getresgid(&gids[0], &gids[1], &gids[2]);
  bool changed = std::ranges::all_of(uids, [uid](uid_t id) { return id == uid; }) && std::ranges::all_of(gids, [gid](gid_t id) { return id == gid; });
  if (!changed || ::setuid(0) == 0) return fail(Fault::denied, "the change of user did not take");
  std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> none(::cap_init(), ::cap_free);
  if (!none || ::cap_set_proc(none.get()) != 0) return fail_errno("drop the capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno("prctl");
  return {};
}

Result<> keep_agent_capabilities() {
  constexpr std::array<cap_value_t, 3> kept{CAP_SETUID, CAP_SETGID, CAP_CHOWN};
  for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; ++cap) {
    bool keep = std::ranges::find(kept, cap) != kept.end();
    if (!keep && ::cap_get_bound(cap) == 1) ::cap_drop_bound(cap);   // without CAP_SETPCAP the sets below have to do
  }
  std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> caps(::cap_init(), ::cap_free);
  if (!caps) return fail_errno("capabilities");
  for (auto set : {CAP_PERMITTED, CAP_EFFECTIVE}) ::cap_set_flag(caps.get(), set, static_cast<int>(kept.size()), kept.data(), CAP_SET);
  if (::cap_set_proc(caps.get()) != 0) return fail_errno("drop capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl");
  return {};
}

void prepare_process() {
  struct rlimit no_core {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  ::umask(077);
  // Descriptors 0 to 2 are taken, so that no mailbox ever is one of them.
  int fd = 0;
  while ((fd = ::open("/dev/null", O_RDWR)) >= 0 && fd <= 2) continue;
  if (fd > 2) ::close(fd);
}

}  // namespace mansio::deliver
