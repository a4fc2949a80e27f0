// How `check` and `doctor` tell what they found, and the exit status that follows from it.
#pragma once
#include "ctl/command.hpp"
#include "doctor/finding.hpp"

namespace mansio::ctl {

// For people: "warning  NAME: SEEN", what to do below it, and at the end how many of each. With --json an object a
// finding: {"check","state","seen","advice"}, the last key only where there is advice.
void print_findings(const Invocation& invocation, const doctor::Findings& findings);
void print_sum(const Invocation& invocation, const doctor::Findings& findings);

// done, or failed when one is a warning or worse.
Exit exit_of(const doctor::Findings& findings);

}  // namespace mansio::ctl
