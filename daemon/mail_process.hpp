// `mansiod: mail N`: one loop with everything that touches the network, the spool and the queue. Wiring only: the work
// is in the rooms of lib/.
#pragma once
#include "base/unique_fd.hpp"
#include "identity.hpp"

namespace mansio::daemon {

struct MailOptions {
  bool foreground = false;
  ServiceUser service;
};

// The whole life of the process, which has dropped its privileges already. `channel` leads to the parent. The exit
// status: 0 after an orderly stop, 75 when it could not start (the parent was told why).
int mail_main(UniqueFd channel, const MailOptions& options);

}  // namespace mansio::daemon
