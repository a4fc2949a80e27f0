// What a process may still do once it begins its work: no more than it needs, so that whoever takes it over has little.
// docs/security.md tells what each process may. Linux alone does this: capabilities(7), seccomp(2), landlock(7).
#pragma once
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/config.hpp"

namespace mansio::daemon {

struct Confinement {
  config::SystemCalls system_calls = config::SystemCalls::enforce;
  std::string spool_directory;
  int number = 0;            // of the mail process, and of its shard
  int count = 1;             // of mail processes
  int channel = -1;          // to the parent, which is told of a refused call that ends the process
};

// As root, before the change of user: what is not in the bounding set comes back by no program and no mistake.
void empty_bounding_set();

// As the user of run_as, before confine_mail: makes what several mail processes share in spool_directory, since none of them may make
// directories there. Their files are in state/, which takes in those that an older mansio had in spool_directory itself.
void prepare_spool(const config::Config& config);

// A mail process, for good: no capabilities, no program executed, no shard but its own, no system call but those it needs. What
// can't be done is left out, and told in the errors: Fault::denied for what the configuration hinders, else what the kernel does.
std::vector<Error> confine_mail(const Confinement& confinement);

// A delivery agent: calls that neither it nor a program for a user has any use for are refused. Programs inherit that.
void confine_agent(config::SystemCalls system_calls);

// For the parent: what tag_refused, of a process that was killed for a system call, says. `text` is a number.
std::string describe_refused_call(const std::string& text);

}  // namespace mansio::daemon
