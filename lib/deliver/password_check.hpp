// The agent that asks PAM, `mansiod: passwords N`: one password at a time, each in a child of its own, since modules
// leak, keep state, and may hang. It is no delivery agent: it keeps the rights of its caller (pam_unix reads
// /etc/shadow), and a login that takes seconds holds up neither mail nor look-ups. The delay that PAM asks for after a
// failure is not slept here: it goes back in Answer::hold, so that failures don't keep others from logging in.
#pragma once
#include <sys/types.h>

#include <string>

#include "base/unique_fd.hpp"
#include "deliver/job.hpp"

namespace mansio::deliver {

struct PasswordAgentOptions {
  std::string directory;   // of the service files; "": the system's (/etc/pam.d)
};

// One password_check job, in a child. Answer::found: the password is right and the account may be used; a status that
// is not ok: PAM could not say. `channel` (or -1): its end ends the check as well. uid 0 is never let in. For a process
// whose children are all its own: it ends them when the time is over.
Answer check_password_by_pam(const Job& job, const PasswordAgentOptions& options, int channel);

// What an answer of pam_authenticate or pam_acct_mgmt means.
enum class PamVerdict : std::uint8_t { accepted, denied, unavailable };
PamVerdict meaning_of_pam(int code) noexcept;

// The whole life of the process: until the channel ends. The exit status: 0, or 70 after a packet that breaks the
// protocol.
int password_agent_main(int channel, const PasswordAgentOptions& options);

}  // namespace mansio::deliver
