// Paths and argument words an admin writes with places to fill in: "/var/mail/{local}", "~/Maildir".
// Values come from outside, so they are checked, put in once and never looked at again for further places.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace mansio {

// Known places: {local} {domain} {user} {home} {detail} {sender}; a leading "~/" is {home}/.
using TemplateValues = std::map<std::string, std::string, std::less<>>;

// Is `text` well formed (known places only, braces closed)? For config checks.
Result<> check_template(std::string_view text);

// Fills a path. A value other than {home} must be one path component: not empty, not "." or "..", no '/', no NUL or
// control byte, no leading '.' ; else Fault::denied. {home} must be absolute.
Result<std::string> fill_path(std::string_view text, const TemplateValues& values);

// Fills one word of a command line. Values may not hold NUL, and one that begins with '-' at the start of the word is refused.
Result<std::string> fill_word(std::string_view text, const TemplateValues& values);

}  // namespace mansio
