// Set-up as a program: questions on a terminal, the difference, the files. What it asks and writes is lib/setup's.
#pragma once
#include <expected>
#include <optional>
#include <string>

#include "ctl/command.hpp"
#include "setup/answers.hpp"
#include "setup/plan.hpp"

namespace mansio::ctl {

// Asks each question that matters, "<" goes back; nullopt when the user gave up (end of input). setup_dialogue.cpp.
std::optional<setup::Answers> ask_questions(setup::Answers defaults, bool password_is_kept);

// All of them or none: when one can't be written, those before it are put back. setup_files.cpp.
Result<> write_changes(const std::vector<setup::FileChange>& changes);

}  // namespace mansio::ctl
