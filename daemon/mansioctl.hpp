// What mansioctl's verbs share: where the configuration is, and the exit statuses (man/mansioctl.8).
#pragma once
#include <string>

namespace mansio::daemon {

namespace ctl {
inline constexpr int done = 0, failed = 1, usage = 64, io = 74, busy = 75, denied = 77, config = 78;
}

struct PasswdArguments {
  std::string config_file, user, file, scheme = "SCRAM-SHA-256";
  bool remove = false, from_stdin = false, json = false;
};

// mansioctl passwd. The exit status.
int run_passwd(const PasswdArguments& arguments);

}  // namespace mansio::daemon
