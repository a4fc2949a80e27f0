#include "identity.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.hpp"

namespace mansio::daemon {

Result<ServiceUser> find_service_user(const config::Config& config) {
  ServiceUser user;
  user.uid = ::getuid();
  user.gid = ::getgid();
  if (user.uid != 0 || config.run_as.empty()) return user;
  passwd* entry = ::getpwnam(config.run_as.c_str());
  if (entry == nullptr) {
    return fail(Fault::not_found, fmt::format("run_as: there is no user \"{}\" (make it: `useradd --system --home-dir {} --shell /usr/sbin/nologin {}`, or set run_as)",
                                              config.run_as, config.spool_directory, config.run_as));
  }
  user.uid = entry->pw_uid;
  user.gid = entry->pw_gid;
  user.name = config.run_as;
  user.switches = user.uid != 0;
  return user;
}

static Result<> prepare(const char* setting, const std::string& path, mode_t mode, const ServiceUser& user) {
  struct stat st {};
  bool missing = ::lstat(path.c_str(), &st) != 0;
  auto made = make_directory(path, mode);
  if (made && missing) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd || ::fchmod(fd.get(), mode) != 0 || (user.switches && ::fchown(fd.get(), user.uid, user.gid) != 0)) {
      made = fail_errno("prepare " + path);
    }
  }
  if (!made) return fail(made.error().fault(), fmt::format("{}: {}", setting, made.error().text()), made.error().sys());
  return {};
}

void prepare_pickups(const config::Config& config, const ServiceUser& user) {
  for (const auto& pickup : config.pickups) (void)prepare("pickup", pickup.directory, 03733, user);
}

Result<> prepare_directories(const config::Config& config, const ServiceUser& user) {
  auto done = prepare("spool_directory", config.spool_directory, 0751, user);
  if (done) done = prepare("log_directory", config.log_directory, 0750, user);
  if (done) done = prepare("run_directory", config.run_directory, 0755, user);
  return done;
}

Result<> become(const ServiceUser& user) {
  rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (user.switches) {
    if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setresgid(user.gid, user.gid, user.gid) != 0 ||
        ::setresuid(user.uid, user.uid, user.uid) != 0) {
      return fail_errno("run_as: become " + user.name);
    }
    if (::setuid(0) == 0) return fail(Fault::denied, "run_as: could become root again");
  }
  // Sessions hold other people's mail and, later, keys.
  ::prctl(PR_SET_DUMPABLE, 0);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("prctl");
  return {};
}

}  // namespace mansio::daemon
