// Command lines as a log may show them: what can be a password or a token is left out. Pure.
#pragma once
#include <string>
#include <string_view>

namespace mansio::smtp {

// A line that begins with AUTH, in any case and also when it is no valid command, as "AUTH PLAIN ***"; the mechanism is
// shown when it is one that we know. All other lines as they are.
std::string masked_command(std::string_view line);

// Input of several lines up to the first AUTH in it.
std::string masked_input(std::string_view bytes);

}  // namespace mansio::smtp
