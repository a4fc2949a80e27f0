// From answers to the text of the file that they make: conf.d/10-setup.conf, and the file of credentials. Pure.
#pragma once
#include <string>
#include <string_view>

#include "setup/answers.hpp"

namespace mansio::setup {

// The first line of what site_text() gives: who finds another one has a file that somebody took over.
inline constexpr std::string_view site_mark = "# Written by \"mansioctl setup\": run it again to change what is here.";

// `credentials`: the path of that file, for the smart host's transport. `listeners`: false leaves them to another file.
std::string site_text(const Answers& answers, const std::string& credentials, bool listeners = true);

// As config/credentials.hpp reads it.
std::string credentials_text(const Answers& answers);

}  // namespace mansio::setup
