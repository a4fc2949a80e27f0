// Who calls, and where the daemon is. The configuration is read with the caller's rights and used only to find sockets
// and names; nothing of a file that isn't one is ever shown (S-155).
#pragma once
#include <sys/types.h>

#include <string>

#include "base/result.hpp"
#include "mail/address.hpp"

namespace mansio::sendmail {

struct Setup {
  std::string run_directory = "/run/mansio", spool_directory = "/var/spool/mansio", log_directory = "/var/log/mansio";
  std::string host_name, mail_name;
  bool remove_arguments = false;          // sendmail.extract_addresses_remove_arguments

  std::string submit_socket() const { return run_directory + "/submit.sock"; }
  std::string control_socket() const { return run_directory + "/control.sock"; }
  std::string pickup_directory() const { return spool_directory + "/pickup"; }
};

// "" is the default file: without a usable one the defaults hold, as the daemon may run with an older version of it.
// One that was asked for with -C must be usable.
Result<Setup> load_setup(const std::string& config_file);

struct Caller {
  std::string user, full_name;            // "uid1000" without an entry in the user database
};
Caller caller();

}  // namespace mansio::sendmail
