// Delivery to a program: the message on its standard input, without a shell. The program gets three descriptors, the
// environment the job names (values made harmless, S-005) and a few fixed variables, "/" as its directory, default signals,
// a process group of its own, no core dumps and no way to gain rights. Its exit status decides, by sysexits.h.
#pragma once
#include <string>
#include <vector>

#include "base/status.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

// Blocks until the program ends or job.timeout is over; then its process group is killed and the mail deferred.
// The process ignores SIGPIPE (prepare_process): a program may end before it has read its message.
Answer deliver_pipe(const Job& job, int message);

// What an exit status means. 65, 67, 68, 69, 76 and 77 refuse the mail; 0 is done; all else, also a status that
// sysexits.h doesn't know, is trouble of the program and tried again: unsure means defer.
Status status_of_exit(int code, std::string_view output);

// PATH, SHELL, HOME, USER, LOGNAME, LANG and the job's own "NAME=value": each name [A-Z][A-Z0-9_]*, no fixed one given
// twice, every value of letters, digits and @%_+=:,./- alone (others become '_').
std::vector<std::string> make_environment(const Job& job);

}  // namespace mansio::deliver
