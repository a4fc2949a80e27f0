// Which user the daemon runs as (run_as), and what must exist before it starts.
#pragma once
#include <sys/types.h>

#include <string>

#include "config/config.hpp"

namespace mansio::daemon {

struct ServiceUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;          // "" when the caller stays who it is
  bool switches = false;     // root, and run_as names another: the mail process drops to it
};

// Errors name run_as and say what to do. Only root can switch; an ordinary user runs as itself whatever run_as says.
Result<ServiceUser> find_service_user(const config::Config& config);

// Makes spool (0751: users reach pickup/), log (0750) and run directory (0755: users reach submit.sock) when their
// parents exist, owned by the service user; an existing one is left as it is.
// Makes pickup directories that are missing, where anybody may put files; what can't be done, who uses them tells.
void prepare_pickups(const config::Config& config, const ServiceUser& user);
Result<> prepare_directories(const config::Config& config, const ServiceUser& user);

// For good: groups, gid, uid, no way back; not dumpable, no core.
Result<> become(const ServiceUser& user);

}  // namespace mansio::daemon
