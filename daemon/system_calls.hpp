// The system calls that a process has left, by a filter of seccomp(2) that also its threads have, and that nothing takes away.
#pragma once
#include <string>

#include "base/result.hpp"

namespace mansio::daemon {

// Of a mail process: calls on the list of what it needs are done; those that only an attacker would want end the
// process, after the call's number was told over `channel`; all others fail with EPERM. `report`: all are done, and the
// kernel's log names those that are not on the list. An error, for the panic log: there is no filter.
Result<> filter_mail_calls(bool report, int channel);

// Of a delivery agent and the programs that it runs: what changes the machine, or looks into other processes, fails with EPERM.
Result<> filter_agent_calls();

// "execve (59)", of "59".
std::string name_of_call(const std::string& number);

}  // namespace mansio::daemon
