// Which files a mail process reaches, by Landlock. What the user of run_as may do stays as it is, but for two things: no file
// is executed, and no mail process reaches the shard of another. That takes a rule for every directory beside the way to
// the shard, since Landlock only knows what is allowed.
#pragma once
#include <string>

#include "base/result.hpp"

namespace mansio::daemon {

// Needs no_new_privs. With `count` 1 there is no other shard. An error, for the panic log, says what is not kept apart.
Result<> restrict_files(const std::string& spool_directory, int number, int count);

}  // namespace mansio::daemon
