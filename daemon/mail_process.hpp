// `mansiod: mail N`: one loop with everything that touches the network, the spool and the queue. Wiring only: the work
// is in the rooms of lib/.
#pragma once
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "identity.hpp"

namespace mansio::daemon {

struct MailOptions {
  bool foreground = false;
  ServiceUser service;
  int number = 0;            // of the process and of its spool shard; 0 has submit.sock, the pickups, metrics and control.sock
  int count = 1;             // the others' numbers, if there are any, are below this
  std::vector<Error> lacking;   // what its confinement lacks (confinement.hpp)
  bool drains = false;       // no listeners: it ends when its shard is empty

  // "control.sock", of others "control-1.sock": within run_directory.
  static std::string control_socket(int number) { return number == 0 ? "control.sock" : "control-" + std::to_string(number) + ".sock"; }
  // The name of a file of its own: "pauses", of others "pauses-1".
  std::string own(const std::string& name) const { return number == 0 ? name : name + "-" + std::to_string(number); }
};

// The whole life of the process, which has dropped its privileges already. `channel` leads to the parent. The exit
// status: 0 after an orderly stop, 75 when it could not start (the parent was told why).
int mail_main(UniqueFd channel, const MailOptions& options);

}  // namespace mansio::daemon
