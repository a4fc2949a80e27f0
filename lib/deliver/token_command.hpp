// A configured command whose output is an access token: run in an agent, so that the mail process never executes anything.
#pragma once
#include "deliver/job.hpp"

namespace mansio::deliver {

// Blocks until the command of a token_command job ends; after job.timeout, or once `channel` (or -1) hangs up, it is
// killed. What it printed is Answer::output, never part of a text. A command that failed is 451 with the reason.
Answer run_token_command(const Job& job, int channel);

}  // namespace mansio::deliver
