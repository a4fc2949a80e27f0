// Who a delivery is: look-ups in the system's user database, the switch to a user for good, and what only the user may
// read. All of it blocks; it runs in the delivery agents alone.
#pragma once
#include <sys/types.h>

#include <string>

#include "base/result.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

// getpwnam. answer.found says whether there is such a user; a database that can't be asked is 451, never "not found".
// A name that is a number, or holds what no login name holds, is not looked up and not found (S-109).
Answer lookup_user(const Job& job);

// Text of home/.forward, with the rights of the calling process. It must be a plain file of at most max_forward bytes,
// owned by `job.uid` or root, that neither group nor others may write; else 450 (the user's mail waits until that is mended).
// A file or a home that doesn't exist is found = false.
Answer read_forward(const Job& job);

// Become `uid` for good: supplementary groups (those of `user`, or `gid` alone when it is ""), gid, uid, no
// capabilities, no way back; checked. uid 0 and uid -1 are refused. After an error the process must end.
Result<> become(uid_t uid, gid_t gid, const std::string& user);

// As root: gives up all but what an agent needs: CAP_SETUID and CAP_SETGID to become a user, CAP_CHOWN to make a
// mailbox in /var/mail the user's. Other users' files it reads and writes only as those users.
Result<> keep_agent_capabilities();

// The process's titles and limits that both agent and child want: no core, not dumpable, SIGPIPE and SIGXFSZ ignored
// (a write past the limit is then an error, not a death), umask 077.
void prepare_process();

}  // namespace mansio::deliver
